"""The ownership transfer: how the Terraform, Pulumi or CloudFormation code that owned the source takes over the encrypted instance.

Without it, the owner's next run finds another instance than the one in its state, and may replace it or rename it back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rds_encrypt.aws.instance import Instance
from rds_encrypt.replica_pairs import ReplicaPair
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.templates import render

__all__ = ["OwnershipTransfer", "withdraw", "write"]

_PAGE, _PULUMI, _CLOUDFORMATION = (
    "ownership-transfer.md",
    "ownership-transfer-pulumi.json",
    "ownership-transfer-cloudformation.json",
)
_TYPE = "aws:rds/instance:Instance"


@dataclass(frozen=True)
class Handed:
    """One instance to take over.

    Attributes:
        identifier: the name that the owner's code has.
        name: the name that the instance has, or gets after this cutover.
        resource_id: its DbiResourceId.
        former_id: DbiResourceId of the instance that the owner's state still has.
    """

    identifier: str
    name: str
    resource_id: str
    former_id: str


@dataclass(frozen=True)
class OwnershipTransfer:
    """The instance to take over, and the one that it replaces.

    Attributes:
        production: the encrypted instance.
        source_id: DbiResourceId of the instance that the owner's state still has.
        identifier: the source's name before the cutover.
        counterparts: the encrypted replicas that take over the owner's.
    """

    production: Instance
    source_id: str
    identifier: str
    counterparts: tuple[ReplicaPair, ...] = ()

    @property
    def handed(self) -> tuple[Handed, ...]:
        """The encrypted instance, then its replicas."""
        name_moves = self.production.identifier == self.identifier
        replicas = (
            Handed(
                pair.name,
                pair.name if name_moves else pair.encrypted.identifier,
                pair.encrypted.resource_id,
                pair.original_id,
            )
            for pair in self.counterparts
            if pair.encrypted is not None
        )
        first = Handed(
            self.identifier, self.production.identifier, self.production.resource_id, self.source_id
        )
        return (first, *replicas)

    @property
    def page(self) -> str:
        """The steps for each tool, as Markdown."""
        description = self.production.description
        return render(
            "ownership-transfer.md.j2",
            identifier=self.identifier,
            name=self.production.identifier,
            resource_id=self.production.resource_id,
            source_id=self.source_id,
            key=description.get("KmsKeyId", ""),
            region=self.production.arn.split(":")[3],
            word=_word(self.identifier),
            logical=_logical(self.identifier),
            replicas=self.handed[1:],
            instance=description,
            type=_TYPE,
            pulumi_file=f"{self.identifier}-{_PULUMI}",
            cloudformation_file=f"{self.identifier}-{_CLOUDFORMATION}",
        )

    @property
    def pulumi_import(self) -> dict[str, object]:
        """The content of the file for `pulumi import --file`."""
        resources = [{"type": _TYPE, "name": one.identifier, "id": one.resource_id} for one in self.handed]
        return {"resources": resources}

    @property
    def cloudformation_import(self) -> list[dict[str, object]]:
        """The content of the file for `aws cloudformation create-change-set --resources-to-import`."""
        return [
            {
                "ResourceType": "AWS::RDS::DBInstance",
                "LogicalResourceId": _logical(one.identifier),
                "ResourceIdentifier": {"DBInstanceIdentifier": one.name},
            }
            for one in self.handed
        ]


def write(files: Files, transfer: OwnershipTransfer) -> None:
    """Write the page and the two files that its commands read."""
    files.write(_PAGE, transfer.page)
    files.write_json(_PULUMI, transfer.pulumi_import)
    files.write_json(_CLOUDFORMATION, transfer.cloudformation_import)


def withdraw(files: Files) -> None:
    """Remove the files: after a rollback the owner's state is right as it is."""
    for suffix in (_PAGE, _PULUMI, _CLOUDFORMATION):
        files.remove(suffix)


def _word(identifier: str) -> str:
    return identifier.replace("-", "_")


def _logical(identifier: str) -> str:
    return "".join(part.capitalize() for part in re.split("-", identifier))
