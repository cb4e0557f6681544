"""The hand-over: what whoever owned the source in Terraform, Pulumi or CloudFormation has to do to own the encrypted instance.

Without it their next run sees another instance than the one in their state, and may replace it or rename it back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rds_encrypt.aws.instances import Instance
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.templates import render

__all__ = ["Handover", "withdraw", "write"]

_PAGE, _PULUMI, _CLOUDFORMATION = "handover.md", "handover-pulumi.json", "handover-cloudformation.json"
_TYPE = "aws:rds/instance:Instance"


@dataclass(frozen=True)
class Handover:
    """Who takes over what.

    Attributes:
        production: the encrypted instance, as it is now.
        source_id: DbiResourceId of the instance that the owner's state still knows.
        identifier: the source's name before the cutover.
    """

    production: Instance
    source_id: str
    identifier: str

    @property
    def page(self) -> str:
        """The steps for each tool, as Markdown."""
        found = self.production.description
        return render(
            "handover.md.j2",
            identifier=self.identifier,
            name=self.production.identifier,
            resource_id=self.production.resource_id,
            source_id=self.source_id,
            key=found.get("KmsKeyId", ""),
            region=self.production.arn.split(":")[3],
            word=_word(self.identifier),
            logical=_logical(self.identifier),
            instance=found,
            type=_TYPE,
            pulumi_file=f"{self.identifier}-{_PULUMI}",
            cloudformation_file=f"{self.identifier}-{_CLOUDFORMATION}",
        )

    @property
    def pulumi_import(self) -> dict[str, object]:
        """What `pulumi import --file` takes."""
        resource = {"type": _TYPE, "name": self.identifier, "id": self.production.resource_id}
        return {"resources": [resource]}

    @property
    def cloudformation_import(self) -> list[dict[str, object]]:
        """What `aws cloudformation create-change-set --resources-to-import` takes."""
        return [
            {
                "ResourceType": "AWS::RDS::DBInstance",
                "LogicalResourceId": _logical(self.identifier),
                "ResourceIdentifier": {"DBInstanceIdentifier": self.production.identifier},
            }
        ]


def write(files: Files, handover: Handover) -> None:
    """Write the page, and the two files that its commands read."""
    files.write(_PAGE, handover.page)
    files.write_json(_PULUMI, handover.pulumi_import)
    files.write_json(_CLOUDFORMATION, handover.cloudformation_import)


def withdraw(files: Files) -> None:
    """Remove them: after a rollback the owner's state is right as it is."""
    for suffix in (_PAGE, _PULUMI, _CLOUDFORMATION):
        files.remove(suffix)


def _word(identifier: str) -> str:
    return identifier.replace("-", "_")


def _logical(identifier: str) -> str:
    return "".join(part.capitalize() for part in re.split("-", identifier))
