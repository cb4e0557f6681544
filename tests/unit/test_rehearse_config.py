"""The config of a rehearsal: what of a stack's config reaches the copy, and what must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # comes with pulumi, without types

from components import settings
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.rehearse import config

SOURCE: dict[str, Any] = {
    "identifier": "orders",
    "kmsKey": "alias/databases",
    "credentials": {"secretId": "orders/master"},
}


def written(directory: Path, source: dict[str, Any] | None = None, **more: Any) -> Path:
    content = {
        "aws:region": "eu-central-1",
        "aws:profile": "databases",
        "rds-encrypt:phase": "cleanup",
        "rds-encrypt:sources": [{"identifier": "invoices"}, {**SOURCE, **(source or {})}],
        **more,
    }
    file = directory / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump({"config": content, "encryptionsalt": "v1:salt"}), "utf-8")
    return file


def copied(file: Path) -> dict[str, Any]:
    """The one source of the rehearsal's stack, which the program's own validation accepts."""
    text = yaml.safe_load(config.read(file, "orders").text)["config"]
    ours = {key.partition(":")[2]: value for key, value in text.items() if key.startswith("rds-encrypt:")}
    settings.parse(ours)
    (source,) = ours["sources"]
    return dict(source)


def test_the_copy_takes_the_place_of_the_source_in_a_stack_of_its_own(tmp_path: Path) -> None:
    file = written(tmp_path, {"verify": {"level": "sample"}, "phase": "cleanup"})
    rehearsal = config.read(file, "orders")
    text = yaml.safe_load(rehearsal.text)["config"]
    assert text["aws:region"] == "eu-central-1"
    assert text["rds-encrypt:phase"] == "replicate"
    source = copied(file)
    assert source["identifier"] == "orders-rehearsal"
    assert source["kmsKey"] == "alias/databases"
    assert source["verify"] == {"level": "sample"}
    assert "phase" not in source
    assert "salt" not in rehearsal.text
    assert (rehearsal.aws.region, rehearsal.aws.profile) == ("eu-central-1", "databases")
    assert rehearsal.access.secret_id == "orders/master"
    assert rehearsal.names.old == "orders-rehearsal-old"


def test_nothing_that_reaches_applications_records_or_proxies_of_production_is_copied(tmp_path: Path) -> None:
    cutover = {
        "strategy": "dns",
        "dns": {"hostedZoneId": "Z1", "record": "db.orders"},
        "hooks": {"before": ["page", "everybody"]},
        "postpone": True,
        "maxWriteOutage": 120,
    }
    replicas = {"records": {"orders-r1": {"hostedZoneId": "Z1", "record": "r.orders"}}}
    source = copied(written(tmp_path, {"cutover": cutover, "replicas": replicas}))
    assert source["cutover"] == {"maxWriteOutage": 120, "strategy": "rename", "proxies": "leave"}
    assert source["replicas"] == "leave"


def test_a_copy_goes_through_what_its_method_allows(tmp_path: Path) -> None:
    online = config.read(written(tmp_path), "orders")
    assert online.phases == ("replicate", "cutover", "rollback", "replicate", "cutover", "cleanup")
    offline = config.read(written(tmp_path, {"method": "offline"}), "orders")
    assert offline.phases == ("cutover", "cleanup")


@pytest.mark.parametrize(
    ("given", "fate"), [({}, "stop"), ({"old": "keep"}, "keep"), ({"old": "delete"}, "stop")]
)
def test_the_old_copy_is_never_awaited_until_its_backups_are_replaced(
    tmp_path: Path, given: dict[str, str], fate: str
) -> None:
    assert copied(written(tmp_path, {"cleanup": given}))["cleanup"]["old"] == fate


def test_a_bastion_of_the_stack_is_used_unless_the_source_has_its_own(tmp_path: Path) -> None:
    stacks = {"via": "ssh", "ssh": {"host": "bastion", "keyFile": "~/.ssh/key"}}
    rehearsal = config.read(written(tmp_path, **{"rds-encrypt:connection": stacks}), "orders")
    assert rehearsal.access.connection.ssh is not None
    assert rehearsal.access.connection.ssh.key_file == "~/.ssh/key"
    assert yaml.safe_load(rehearsal.text)["config"]["rds-encrypt:connection"] == stacks
    own = {"connection": {"via": "ssm", "ssm": {"target": "i-0123456789"}}}
    rehearsal = config.read(written(tmp_path, own, **{"rds-encrypt:connection": stacks}), "orders")
    assert rehearsal.access.connection.via == "ssm"


@pytest.mark.parametrize(
    ("source", "more", "sentence"),
    [
        ({"identifier": "others"}, {}, "has no source orders, but invoices, others"),
        (
            {},
            {"aws:secretKey": {"secure": "v1:x"}},
            "the value of `aws:secretKey` is encrypted for its stack",
        ),
        ({"credentials": {"secretID": "x"}}, {}, "the source's settings are not valid"),
        ({"credentials": None}, {}, "`credentials` is not a mapping"),
        ({"identifier": "orders"}, {"rds-encrypt:sources": None}, "has no source orders"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_the_file(
    tmp_path: Path, source: dict[str, Any], more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        config.read(written(tmp_path, source, **more), "orders")
    assert sentence in str(refused.value)
    assert "Pulumi.prod.yaml" in str(refused.value)


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreconditionFailed, match="cannot be read"):
        config.read(tmp_path / "Pulumi.stage.yaml", "orders")
    (tmp_path / "Pulumi.stage.yaml").write_text("config: [", "utf-8")
    with pytest.raises(PreconditionFailed, match="not YAML"):
        config.read(tmp_path / "Pulumi.stage.yaml", "orders")


def test_a_name_that_leaves_no_room_for_those_of_the_copy_is_refused(tmp_path: Path) -> None:
    name = "a" * 45
    file = written(tmp_path, {"identifier": name})
    with pytest.raises(PreconditionFailed, match="RDS allows 63"):
        config.read(file, name)
