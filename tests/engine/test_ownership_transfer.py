"""The ownership transfer: a stack that owned the source takes the encrypted instance over by the written commands, and replaces nothing."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.owner_settings import owner_settings
from dev.workload.workspace import ROOT, Workspace
from rds_encrypt.aws.instance import Instance
from rds_encrypt.rehearse.workspace import Result
from tests.engine.deployment import Deployment, driving
from tests.unit.policy_packages import packages

pytestmark = [pytest.mark.engine, pytest.mark.slow]

TAGS = ["tags", "tagsAll"]
PROGRAM = """\
import json
from pathlib import Path

import pulumi
import pulumi_aws as aws

declared = json.loads(Path("instance.json").read_text(encoding="utf-8"))
options = pulumi.ResourceOptions(
    import_=declared.pop("import", None), ignore_changes=declared.pop("ignore", None)
)
aws.rds.Instance("orders", **declared, opts=options)
"""


class Owner:
    """The stack that had the source in its code before anybody thought of encrypting it."""

    def __init__(self, directory: Path, deployment: Deployment) -> None:
        self.project = directory / "project"
        self.project.mkdir(parents=True)
        (self.project / "Pulumi.dev.yaml").write_text("config:\n  aws:region: us-east-1\n")
        (self.project / "Pulumi.yaml").write_text("name: owner\nruntime: python\n")
        (self.project / "__main__.py").write_text(PROGRAM)
        source = Instance(deployment.instance("orders"))
        self.settings: dict[str, Any] = {
            **owner_settings(source),
            "identifier": "orders",
            "parameter_group_name": source.parameter_group,
            "allocated_storage": source.description["AllocatedStorage"],
            "engine": "mysql",
            "engine_version": source.description["EngineVersion"],
            "username": source.description["MasterUsername"],
            "skip_final_snapshot": True,
        }
        self.declare(**{"import": source.resource_id})
        self.workspace = Workspace(
            directory / "workspace", environment=deployment.sandbox.settings(), project=self.project
        )
        self.workspace.create()
        self.good(self.workspace.up("--skip-preview"))
        self.declare()

    def declare(self, **changes: Any) -> None:
        """Change the code; the options in it are not kept."""
        self.settings |= {key: value for key, value in changes.items() if key not in {"import", "ignore"}}
        (self.project / "instance.json").write_text(json.dumps({**self.settings, **changes}))

    def good(self, result: Result) -> Result:
        assert result.ok, result.output
        return result

    def run(self, command: str) -> Result:
        """Run a command of the page as it is written, in this stack."""
        program, *arguments = shlex.split(command)
        assert program == "pulumi"
        return self.good(self.workspace.run(*arguments, "--stack", self.workspace.stack))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with driving(tmp_path_factory.mktemp("transfer")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def owner(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Owner:
    return Owner(tmp_path_factory.mktemp("owner"), deployment)


@pytest.fixture
def policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(packages()))


def judged(workspace: Workspace, **settings: dict[str, Any]) -> tuple[Result, set[tuple[str, str, str]]]:
    """Preview with the policy pack; return the result, and what was reported: its level, its policy, its resource."""
    file = workspace.directory / "policy.json"
    file.write_text(json.dumps({name.replace("_", "-"): values for name, values in settings.items()}))
    options = [
        "--policy-pack",
        str(ROOT / "examples" / "policy-pack" / "start"),
        "--policy-pack-config",
        str(file),
    ]
    result = workspace.preview(*options)
    assert "rds-encryption" in result.output, result.output
    violations = re.findall(r"\[(mandatory|advisory)\]\s+([\w-]+)\s+\(\S+: ([\w-]+)\)", result.output)
    return result, set(violations)


def commands(deployment: Deployment) -> list[str]:
    """Return the commands for Pulumi, as the page has them."""
    page = deployment.files.path("ownership-transfer.md").read_text(encoding="utf-8")
    section = page.partition("## Pulumi\n")[2].partition("\n## ")[0]
    return [command.partition("  #")[0] for command in re.findall(r"^\$ (.*)$", section, re.MULTILINE)]


def test_the_owner_has_nothing_to_do_before_the_migration(owner: Owner) -> None:
    owner.good(owner.workspace.preview(expect_no_changes=True))


def test_a_policy_refuses_the_unencrypted_instance(owner: Owner, policies: None) -> None:
    result, reported = judged(owner.workspace)
    assert not result.ok
    assert reported == {("mandatory", "storage-is-encrypted", "orders")}
    assert "Its storage is not encrypted" in " ".join(result.output.split())


def test_after_the_cut_over_the_owner_would_do_harm(deployment: Deployment, owner: Owner) -> None:
    """Which is why there is an ownership transfer."""
    deployment.up("replicate")
    deployment.up("cutover")

    result = owner.workspace.preview("--refresh", expect_no_changes=True)
    assert not result.ok
    assert "identifier" in result.output


def test_policies_watch_the_migration_itself(deployment: Deployment, policies: None) -> None:
    result, reported = judged(deployment.workspace, no_temporary_resources={"days": 0})
    assert result.ok, result.output
    assert reported == {("advisory", "no-temporary-resources", "orders")}

    result, reported = judged(deployment.workspace)
    assert result.ok, result.output
    assert reported == set()

    deployment.configure("cutover", verify={"level": "off"})
    result, reported = judged(deployment.workspace)
    deployment.configure("cutover")
    assert not result.ok
    assert reported == {("mandatory", "verified-before-cutover", "orders")}


def test_the_commands_of_the_page_hand_the_encrypted_instance_over(
    deployment: Deployment, owner: Owner, policies: None
) -> None:
    show, forget, take_over = commands(deployment)
    urns = owner.run(show).output
    (urn,) = re.findall(r"urn:pulumi:\S+aws:rds/instance:Instance::orders", urns)

    owner.run(forget.replace("<urn>", urn) + " --yes")
    for file in deployment.files.directory.glob("orders-ownership-transfer-*.json"):
        shutil.copy(file, owner.project)
    owner.run(take_over + " --yes")
    page = deployment.files.path("ownership-transfer.md").read_text(encoding="utf-8")
    (key,) = re.findall(r'kms_key_id="(.*)"', page)
    assert f"ignore_changes={json.dumps(TAGS)}" in page
    owner.declare(storage_encrypted=True, kms_key_id=key, ignore=TAGS)

    owner.good(owner.workspace.preview(expect_no_changes=True))
    owner.good(owner.workspace.preview("--refresh", expect_no_changes=True))
    result, reported = judged(owner.workspace)
    assert result.ok, result.output
    assert reported == set()
    (instance,) = [resource for resource in owner.workspace.resources() if "Instance::" in resource["urn"]]
    assert instance["id"] == deployment.instance("orders")["DbiResourceId"]
    assert instance["outputs"]["storageEncrypted"] is True


def test_the_owner_owns_it(deployment: Deployment, owner: Owner) -> None:
    owner.declare(backup_retention_period=9, ignore=TAGS)
    owner.good(owner.workspace.up("--skip-preview"))

    assert deployment.instance("orders")["BackupRetentionPeriod"] == 9
    assert deployment.instance("orders-old")["BackupRetentionPeriod"] == 7


def test_the_migration_goes_on_beside_the_new_owner(deployment: Deployment, owner: Owner) -> None:
    deployment.up("cleanup")
    deployment.destroy()

    owner.declare()
    owner.good(owner.workspace.refresh("--skip-preview"))
    owner.good(owner.workspace.preview(expect_no_changes=True))
    assert "Unencrypted data remains" in deployment.files.path("report.html").read_text(encoding="utf-8")
