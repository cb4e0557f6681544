"""The stand-in provider's tables: what it takes, refuses, defaults, and what a difference means. No AWS in sight."""

from __future__ import annotations

import threading
from importlib import metadata
from typing import Any

import pytest

from dev.sandbox.plugin import VERSION
from dev.sandbox.plugin.aws import Connections, Settings
from dev.sandbox.plugin.errors import ProviderError
from dev.sandbox.plugin.resources import RESOURCES, Operation, Resource
from dev.sandbox.plugin.values import UNKNOWN, has_unknown, pack, same, unpack
from dev.sandbox.plugin.waits import Waiter

INSTANCE = RESOURCES["aws:rds/instance:Instance"]
SNAPSHOT_COPY = RESOURCES["aws:rds/snapshotCopy:SnapshotCopy"]
PARAMETER_GROUP = RESOURCES["aws:rds/parameterGroup:ParameterGroup"]
RESTORE = {
    "identifier": "x",
    "instanceClass": "db.t3.medium",
    "snapshotIdentifier": "s",
    "storageEncrypted": True,
}


def operation(**configuration: Any) -> Operation:
    settings = Settings.parse({"region": "us-east-1", **configuration}, {})
    return Operation(Connections(settings, {}, lambda: None), Waiter(threading.Event(), 0.0))


def checked(resource: Resource, news: dict[str, Any], olds: dict[str, Any] | None = None) -> dict[str, Any]:
    inputs, failures = resource.check("x", news, olds or {}, b"\x01\x02\x03\x04")
    assert not failures
    return inputs


def refused(resource: Resource, news: dict[str, Any]) -> dict[str, str]:
    _, failures = resource.check("x", news, {}, b"")
    return {failure.name: failure.reason for failure in failures}


def lived(resource: Resource, state: dict[str, Any]) -> dict[str, Any]:
    """A state with the defaults that every create puts into it."""
    defaults = {name: attribute.default for name, attribute in resource.attributes.items()}
    return {"tagsAll": {}, **defaults, **state}


def changes(
    resource: Resource, state: dict[str, Any], news: dict[str, Any], *ignored: str
) -> dict[str, bool]:
    differences = resource.diff(operation(), lived(resource, state), checked(resource, news, state), ignored)
    return {change.name: change.replace for change in differences}


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda resource: resource.token)
def test_tables_name_only_what_the_sdk_declares(resource: Resource) -> None:
    assert set(resource.attributes) <= resource.schema.inputs
    assert {name for pair in resource.conflicts for name in pair} <= resource.schema.inputs
    assert resource.schema.inputs <= set(resource.schema.outputs)


def test_the_sdk_is_the_version_that_the_plugin_claims() -> None:
    assert metadata.version("pulumi-aws") == VERSION


def test_unknown_and_missing_properties_are_refused_by_name() -> None:
    failures = refused(INSTANCE, {"identifier": "x", "kmsKey": "k"})
    assert set(failures) == {"kmsKey", "instanceClass"}
    assert "unexpected argument 'kmsKey'" in failures["kmsKey"]
    assert 'The argument "instance_class" is required' in failures["instanceClass"]


@pytest.mark.parametrize("name", ["engine", "username", "dbName", "engineVersion", "characterSetName"])
def test_a_replica_takes_nothing_that_its_source_decides(name: str) -> None:
    failures = refused(INSTANCE, {"instanceClass": "c", "replicateSourceDb": "orders", name: "x"})
    assert "conflicts with replicate_source_db" in failures[name]


@pytest.mark.parametrize("identifier", ["Orders", "1orders", "or--ders", "orders-", "or_ders"])
def test_identifiers_that_aws_would_refuse_are_refused(identifier: str) -> None:
    assert set(refused(INSTANCE, {"instanceClass": "c", "identifier": identifier})) == {"identifier"}


def test_an_alias_is_no_key_for_an_instance() -> None:
    assert "invalid ARN" in refused(INSTANCE, {"instanceClass": "c", "kmsKeyId": "alias/x"})["kmsKeyId"]


def test_a_value_of_the_wrong_type_is_refused_without_showing_it() -> None:
    failures = refused(INSTANCE, {"instanceClass": "c", "password": 12345678, "allocatedStorage": "20"})
    assert set(failures) == {"password", "allocatedStorage"}
    assert "12345678" not in str(failures)


def test_defaults_are_the_real_providers() -> None:
    inputs = checked(INSTANCE, {"instanceClass": "c", "identifier": "x"})
    assert inputs["skipFinalSnapshot"] is False
    assert inputs["applyImmediately"] is False
    assert inputs["deleteAutomatedBackups"] is True
    assert inputs["autoMinorVersionUpgrade"] is True
    assert inputs["copyTagsToSnapshot"] is False


def test_a_made_up_name_stays() -> None:
    first = checked(INSTANCE, {"instanceClass": "c"})
    assert first["identifier"] == "x-0102030"
    assert checked(INSTANCE, {"instanceClass": "c"}, first)["identifier"] == first["identifier"]


@pytest.mark.parametrize(
    "name", ["availabilityZone", "dbName", "engine", "kmsKeyId", "snapshotIdentifier", "username", "timezone"]
)
def test_what_forces_a_new_instance(name: str) -> None:
    value = "arn:aws:kms:us-east-1:1:key/new" if name == "kmsKeyId" else "new"
    assert changes(INSTANCE, {**RESTORE, name: "old"}, {**RESTORE, name: value}) == {name: True}
    assert changes(INSTANCE, {**RESTORE, name: "old"}, {k: v for k, v in RESTORE.items() if k != name}) == {}


def test_another_identifier_is_a_rename_and_can_be_ignored() -> None:
    state = {**RESTORE, "identifier": "orders"}
    assert changes(INSTANCE, state, RESTORE) == {"identifier": False}
    assert changes(INSTANCE, state, RESTORE, "identifier") == {}


def test_encryption_that_the_program_does_not_name_replaces_the_instance() -> None:
    without = {name: value for name, value in RESTORE.items() if name != "storageEncrypted"}
    assert changes(INSTANCE, RESTORE, without) == {"storageEncrypted": True}


def test_what_aws_fills_in_is_no_difference() -> None:
    state = {
        **RESTORE,
        "backupRetentionPeriod": 7,
        "port": 3306,
        "vpcSecurityGroupIds": ["b", "a"],
        "multiAz": True,
    }
    assert changes(INSTANCE, state, RESTORE) == {}
    assert changes(INSTANCE, state, {**RESTORE, "vpcSecurityGroupIds": ["a", "b"]}) == {}


def test_what_only_the_program_can_say_goes_when_it_does_not() -> None:
    assert changes(INSTANCE, {**RESTORE, "deletionProtection": True}, RESTORE) == {
        "deletionProtection": False
    }
    assert changes(INSTANCE, {**RESTORE, "replicateSourceDb": "orders"}, RESTORE) == {
        "replicateSourceDb": False
    }


def test_storage_that_grew_by_itself_is_no_difference() -> None:
    news = {**RESTORE, "allocatedStorage": 20, "maxAllocatedStorage": 100}
    assert changes(INSTANCE, {**news, "allocatedStorage": 40}, news) == {}
    assert changes(INSTANCE, {**news, "allocatedStorage": 10}, news) == {"allocatedStorage": False}


def test_an_unknown_value_is_a_difference() -> None:
    assert changes(INSTANCE, RESTORE, {**RESTORE, "snapshotIdentifier": UNKNOWN}) == {
        "snapshotIdentifier": True
    }


def test_a_copy_made_by_name_or_alias_is_replaced_at_the_next_preview() -> None:
    arn = "arn:aws:rds:us-east-1:1:snapshot:s"
    state = {
        "sourceDbSnapshotIdentifier": arn,
        "targetDbSnapshotIdentifier": "target",
        "kmsKeyId": "arn:aws:kms:us-east-1:1:key/k",
    }
    news = {"sourceDbSnapshotIdentifier": "s", "targetDbSnapshotIdentifier": "target", "kmsKeyId": "alias/k"}
    assert changes(SNAPSHOT_COPY, state, news) == {"kmsKeyId": True, "sourceDbSnapshotIdentifier": True}
    assert changes(SNAPSHOT_COPY, state, dict(state)) == {}


def test_parameters_are_a_set_with_a_way_of_applying() -> None:
    news = {
        "name": "g",
        "family": "mysql8.0",
        "parameters": [{"name": "A", "value": "1"}, {"name": "b", "value": "2"}],
    }
    parameters = checked(PARAMETER_GROUP, news)["parameters"]
    assert parameters[0] == {"name": "A", "value": "1", "applyMethod": "immediate"}
    state = {
        "name": "g",
        "family": "mysql8.0",
        "description": "Managed by Pulumi",
        "parameters": [
            {"name": "b", "value": "2", "applyMethod": "immediate"},
            {"name": "a", "value": "1", "applyMethod": "immediate"},
        ],
    }
    assert changes(PARAMETER_GROUP, state, news) == {}
    assert changes(PARAMETER_GROUP, state, {**news, "family": "mysql5.7", "parameters": []}) == {
        "family": True,
        "parameters": False,
    }


def test_default_tags_lie_under_a_resources_own() -> None:
    tagged = operation(defaultTags='{"tags": {"team": "db", "own": "no"}}')
    inputs = checked(INSTANCE, {**RESTORE, "tags": {"own": "yes"}})
    assert INSTANCE.plan(tagged, inputs)["tagsAll"] == {"team": "db", "own": "yes"}
    state = lived(INSTANCE, {**RESTORE, "tags": {"own": "yes"}, "tagsAll": {"own": "yes"}})
    assert [change.name for change in INSTANCE.diff(tagged, state, inputs, [])] == ["tagsAll"]


def test_a_preview_knows_what_the_program_says_and_nothing_else() -> None:
    planned = INSTANCE.plan(operation(), checked(INSTANCE, RESTORE))
    assert planned["identifier"] == "x"
    assert planned["address"] == planned["resourceId"] == UNKNOWN
    assert "replicateSourceDb" not in planned
    updated = INSTANCE.plan(operation(), checked(INSTANCE, RESTORE), {**RESTORE, "address": "a"})
    assert updated["address"] == "a"


def test_a_refresh_gives_todays_values_of_the_inputs_there_were() -> None:
    state = {**RESTORE, "identifier": "orders", "port": 3306, "replicateSourceDb": "orders-old"}
    before = {
        "identifier": "x",
        "instanceClass": "db.t3.medium",
        "password": "p",
        "replicateSourceDb": "orders",
    }
    assert INSTANCE.inputs_of({**state, "password": "p"}, before) == {
        "identifier": "orders",
        "instanceClass": "db.t3.medium",
        "password": "p",
        "replicateSourceDb": "orders-old",
    }


@pytest.mark.parametrize("name", ["assumeRoles", "httpProxy"])
def test_settings_that_would_change_who_we_are_are_refused(name: str) -> None:
    with pytest.raises(ProviderError, match=name):
        Settings.parse({"region": "us-east-1", name: "x"}, {})


def test_settings_come_from_the_program_then_the_environment() -> None:
    environment = {"AWS_REGION": "eu-west-1"}
    assert Settings.parse({}, environment).region == "eu-west-1"
    settings = Settings.parse(
        {
            "region": "us-east-1",
            "endpoints": '[{"rds": "http://localhost:1"}]',
            "skipCredentialsValidation": "true",
        },
        environment,
    )
    assert settings.region == "us-east-1"
    assert settings.endpoints == {"rds": "http://localhost:1"}
    assert settings.skip_credentials
    assert not settings.skip_account


def test_values_survive_the_wire() -> None:
    properties = {"a": 1, "b": 1.5, "c": True, "d": "x", "e": [1, {"f": None}], "g": {"h": "i"}, "n": None}
    assert unpack(pack(properties)) == {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": "x",
        "e": [1, {}],
        "g": {"h": "i"},
    }
    assert has_unknown({"a": [UNKNOWN]})
    assert same(None, False)
    assert not same(["a"], ["a", "b"], unordered=True)
