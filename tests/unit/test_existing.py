"""What exists: what the program must know is asked for all sources together, and each gets what is its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.existing import look_up
from rds_encrypt.journal import Tag
from rds_encrypt.settings import CredentialSettings, SourceSettings
from tests.unit.fakes import instance

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


class Region(Aws):
    """Instances with a parameter group each, their snapshots, and one key; counts what is asked for."""

    def __init__(self, *names: str, snapshots: Sequence[str] = (), **tags: dict[str, str]) -> None:
        self.settings = AwsSettings(region="eu-west-1")
        self.rds = self.kms = cast(Any, self)
        self.calls: Counter[str] = Counter()
        self._counting = Lock()
        self._snapshots = snapshots
        self._instances = [
            dict(
                instance(
                    name,
                    tags=tags.get(name),
                    DBParameterGroups=[
                        {"DBParameterGroupName": f"{name}-mysql80", "ParameterApplyStatus": "in-sync"}
                    ],
                ).description
            )
            for name in names
        ]
        self.exec_mode = True
        self.groups = {f"{name}-mysql80": f"Parameters of {name}" for name in names}

    @property
    def region(self) -> str:
        return "eu-west-1"

    def get_paginator(self, operation: str) -> Any:
        region = self

        class Paginator:
            def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
                region._count(operation)
                return [getattr(region, operation)(**arguments)]

        return Paginator()

    def _count(self, operation: str) -> None:
        with self._counting:
            self.calls[operation] += 1

    def describe_db_instances(self, Filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's names
        values = Filters[0]["Values"]
        return {
            "DBInstances": [entry for entry in self._instances if entry["DBInstanceIdentifier"] in values]
        }

    def describe_db_snapshots(self, Filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        existing = [name for name in self._snapshots if name in Filters[0]["Values"]]
        return {"DBSnapshots": [{"DBSnapshotIdentifier": name, "Status": "available"} for name in existing]}

    def describe_db_parameter_groups(self) -> dict[str, Any]:
        return {
            "DBParameterGroups": [
                {"DBParameterGroupName": name, "Description": purpose, "DBParameterGroupFamily": "mysql8.0"}
                for name, purpose in self.groups.items()
            ]
        }

    def describe_db_parameters(self, DBParameterGroupName: str, Source: str = "") -> dict[str, Any]:  # noqa: N803
        if not Source:
            modes = [("slave_exec_mode", self.exec_mode), ("replica_exec_mode", False)]
            return {"Parameters": [{"ParameterName": name, "IsModifiable": may} for name, may in modes]}
        assert Source == "user"
        return {"Parameters": [{"ParameterName": "max_connections", "ParameterValue": DBParameterGroupName}]}

    def describe_key(self, KeyId: str) -> dict[str, Any]:  # noqa: N803
        self._count("describe_key")
        if KeyId != "alias/fleet":
            raise ClientError({"Error": {"Code": "NotFoundException", "Message": "no"}}, "DescribeKey")
        return {"KeyMetadata": {"Arn": KEY, "KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT"}}


def sources(*names: str, key: str = "alias/fleet") -> list[SourceSettings]:
    return [SourceSettings(name, CredentialSettings(secret_id=name), kms_key=key) for name in names]


def names(count: int) -> list[str]:
    return [f"shop-{number:02}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 20])
def test_only_the_parameters_of_a_group_are_asked_for_source_by_source(count: int) -> None:
    region = Region(*names(count))
    results = look_up(region, sources(*names(count)))
    assert [result.topology.source_id for result in results] == [
        f"db-{name.upper()}" for name in names(count)
    ]
    assert [result.group and result.group.name for result in results] == [
        f"{name}-mysql80" for name in names(count)
    ]
    assert region.calls == {
        "describe_db_instances": 1,
        "describe_db_snapshots": 1,
        "describe_db_parameter_groups": 1,
        "describe_key": 1,
        # And once for all that groups of their family can set.
        "describe_db_parameters": count + 1,
    }


@pytest.mark.parametrize(("can", "expected"), [(True, "slave_exec_mode"), (False, None)])
def test_how_the_family_calls_the_exec_mode_is_told_if_it_can_be_set(
    expected: str | None, *, can: bool
) -> None:
    region = Region("a")
    region.exec_mode = can
    (result,) = look_up(region, sources("a"))
    assert result.group is not None
    assert result.group.exec_mode == expected


def test_each_source_is_told_of_its_own_things() -> None:
    region = Region("a", "b", snapshots=["b-encrypted"])
    region.groups["a-fence"] = "ours"
    first, second = look_up(region, sources("a", "b"))
    assert (dict(first.snapshots), dict(second.snapshots)) == ({}, {"b-encrypted": {}})
    assert first.groups == {"a-encrypted": None, "a-fence": "ours"}
    assert second.groups == {"b-encrypted": None, "b-fence": None}
    assert first.group is not None
    assert first.group.values["max_connections"] == ("a-mysql80", "pending-reboot")
    assert sorted(second.topology.listed) == ["b"]


def test_the_first_sources_error_is_told_whatever_it_is() -> None:
    region = Region("a")
    lost, locked = sources("nobody"), sources("a", key="alias/none")
    with pytest.raises(PreconditionFailed, match="no DB instance of this name"):
        look_up(region, lost + locked)
    with pytest.raises(PreconditionFailed, match="no such key"):
        look_up(region, locked + lost)


def test_a_group_that_the_source_had_and_that_is_gone_is_named() -> None:
    region = Region("a", a={Tag.FENCED_GROUP: "a-before"})
    with pytest.raises(
        PreconditionFailed, match="its parameter group a-before, which it had when the migration began"
    ):
        look_up(region, sources("a"))
