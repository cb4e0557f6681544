"""What the stand-in provider asks of RDS for an instance, call by call, against a scripted RDS."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dev.sandbox.plugin.errors import PartialFailure, ProviderError
from dev.sandbox.plugin.resources import RESOURCES, Operation
from dev.sandbox.plugin.waits import Waiter

INSTANCE = RESOURCES["aws:rds/instance:Instance"]
ID = "db-ABC123"
ARN = "arn:aws:rds:us-east-1:1:db:{}"


class ScriptedRDS:
    """One instance, and the requests that were made of it."""

    def __init__(self, **instance: Any) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.errors: dict[str, list[str]] = {}
        self.refusals: dict[str, list[str]] = {}
        self.instance: dict[str, Any] | None = {
            "DBInstanceIdentifier": "x",
            "DbiResourceId": ID,
            "DBInstanceArn": ARN.format("x"),
            "DBInstanceStatus": "available",
            "DBInstanceClass": "db.t3.medium",
            "Engine": "mysql",
            "EngineVersion": "8.0.31",
            "StorageEncrypted": True,
            "BackupRetentionPeriod": 0,
            **instance,
        }

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> dict[str, Any]:
            if name.startswith("describe"):
                filtered = request.get("Filters")
                assert filtered is None or filtered[0]["Values"] == [ID]
                return {"DBInstances": [self.instance] if self.instance else []}
            if name == "list_tags_for_resource":
                return {"TagList": []}
            self.requests.append((name, request))
            for code in self.errors.pop(name, []):
                message = (
                    "Cannot delete a protected instance: disable deletion protection"
                    if "Comb" in code
                    else "no"
                )
                raise ClientError({"Error": {"Code": code, "Message": message}}, name)
            if messages := self.refusals.get(name):
                raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": messages.pop()}}, name)
            if name == "delete_db_instance":
                self.instance = None
            return {"DBInstance": self.instance}

        return call

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.requests]

    def request(self, name: str) -> dict[str, Any]:
        return dict(self.requests)[name]


class Connections:
    def __init__(self, rds: ScriptedRDS) -> None:
        self.rds = rds
        self.settings = type("Settings", (), {"region": "us-east-1", "default_tags": {}})

    def client(self, service: str, region: str | None = None) -> ScriptedRDS:
        return self.rds


def operation(rds: ScriptedRDS) -> Operation:
    return Operation(Connections(rds), Waiter(threading.Event(), 0.0))  # type: ignore[arg-type]


def inputs(**more: Any) -> dict[str, Any]:
    checked, failures = INSTANCE.check(
        "x", {"identifier": "x", "instanceClass": "db.t3.medium", **more}, {}, b""
    )
    assert not failures
    return checked


def state(**more: Any) -> dict[str, Any]:
    return {
        **inputs(),
        "resourceId": ID,
        "arn": ARN.format("x"),
        "tags": {},
        "tagsAll": {},
        "storageEncrypted": True,
        **more,
    }


def test_a_plain_restore_is_one_call() -> None:
    rds = ScriptedRDS()
    identity, made = INSTANCE.create(
        operation(rds),
        inputs(snapshotIdentifier="s", storageEncrypted=True, parameterGroupName="g", password=""),
    )
    assert rds.names == ["restore_db_instance_from_db_snapshot"]
    request = rds.request("restore_db_instance_from_db_snapshot")
    assert request["DBParameterGroupName"] == "g"
    assert "StorageEncrypted" not in request
    assert "KmsKeyId" not in request
    assert (identity, made["snapshotIdentifier"], made["resourceId"]) == (ID, "s", ID)


@pytest.mark.parametrize(
    ("name", "value", "parameter"),
    [
        ("password", "a-good-Password1", "MasterUserPassword"),
        ("passwordWo", "a-good-Password1", "MasterUserPassword"),
        ("backupRetentionPeriod", 7, "BackupRetentionPeriod"),
        ("backupRetentionPeriod", 0, "BackupRetentionPeriod"),
        ("allocatedStorage", 20, "AllocatedStorage"),
        ("storageType", "gp3", "StorageType"),
        ("monitoringInterval", 60, "MonitoringInterval"),
        ("maintenanceWindow", "sun:05:00-sun:06:00", "PreferredMaintenanceWindow"),
    ],
)
def test_what_a_restore_can_not_take_is_modified_after_it(name: str, value: Any, parameter: str) -> None:
    rds = ScriptedRDS()
    _, made = INSTANCE.create(operation(rds), inputs(snapshotIdentifier="s", **{name: value}))
    assert rds.names == ["restore_db_instance_from_db_snapshot", "modify_db_instance"]
    request = rds.request("modify_db_instance")
    assert request == {parameter: value, "DBInstanceIdentifier": "x", "ApplyImmediately": True}
    assert "passwordWo" not in made


def test_storage_that_was_only_just_changed_is_changed_later() -> None:
    rds = ScriptedRDS()
    rds.refusals["modify_db_instance"] = [
        "You can't currently modify the storage of this DB instance because the previous storage change is being optimized."
    ] * 2
    INSTANCE.create(operation(rds), inputs(snapshotIdentifier="s", allocatedStorage=30))
    assert rds.names.count("modify_db_instance") == 3
    rds.refusals["modify_db_instance"] = ["Database instance is not in available state."]
    with pytest.raises(ProviderError, match="not in available state"):
        INSTANCE.create(operation(rds), inputs(snapshotIdentifier="s", allocatedStorage=30))


def test_a_replica_is_modified_only_for_what_came_out_otherwise() -> None:
    rds = ScriptedRDS(BackupRetentionPeriod=3, ReadReplicaSourceDBInstanceIdentifier="orders")
    INSTANCE.create(operation(rds), inputs(replicateSourceDb="orders", backupRetentionPeriod=3))
    assert rds.names == ["create_db_instance_read_replica"]
    assert rds.request("create_db_instance_read_replica")["SourceDBInstanceIdentifier"] == "orders"


def test_a_replicas_other_parameter_group_needs_a_reboot() -> None:
    rds = ScriptedRDS(DBParameterGroups=[{"DBParameterGroupName": "default.mysql8.0"}])
    INSTANCE.create(operation(rds), inputs(replicateSourceDb="orders", parameterGroupName="g"))
    assert rds.names == ["create_db_instance_read_replica", "modify_db_instance", "reboot_db_instance"]


def test_a_new_instance_needs_its_credentials() -> None:
    with pytest.raises(ProviderError, match='"password": required field is not set'):
        INSTANCE.create(
            operation(ScriptedRDS()), inputs(engine="mysql", allocatedStorage=20, username="admin")
        )


def test_a_failed_wait_leaves_what_was_made_in_state() -> None:
    rds = ScriptedRDS(DBInstanceStatus="incompatible-restore")
    with pytest.raises(PartialFailure, match="unexpected state 'incompatible-restore'") as caught:
        INSTANCE.create(operation(rds), inputs(snapshotIdentifier="s", passwordWo="p"))
    assert caught.value.identity == ID
    assert caught.value.state["identifier"] == "x"
    assert caught.value.state["arn"] == ARN.format("x")
    assert "passwordWo" not in caught.value.state


def test_an_error_names_the_thing_and_awss_code() -> None:
    rds = ScriptedRDS()
    rds.errors["restore_db_instance_from_db_snapshot"] = ["DBSnapshotNotFound"]
    with pytest.raises(ProviderError) as caught:
        INSTANCE.create(operation(rds), inputs(snapshotIdentifier="s"))
    assert str(caught.value).startswith(
        "creating RDS DB Instance (restore from snapshot) (x): operation error RDS"
    )
    assert "api error DBSnapshotNotFound: no" in str(caught.value)


def test_a_delete_addresses_the_name_in_state_and_waits_for_the_id() -> None:
    rds = ScriptedRDS(DBInstanceIdentifier="x-old", DBInstanceArn=ARN.format("x-old"))
    INSTANCE.delete(operation(rds), ID, state(identifier="x", skipFinalSnapshot=True))
    assert rds.request("delete_db_instance") == {
        "DBInstanceIdentifier": "x",
        "SkipFinalSnapshot": True,
        "DeleteAutomatedBackups": True,
    }


def test_an_update_and_its_tags_address_what_state_names() -> None:
    rds = ScriptedRDS(DBInstanceIdentifier="x-old", DBInstanceArn=ARN.format("x-old"))
    INSTANCE.update(
        operation(rds),
        ID,
        state(),
        inputs(storageEncrypted=True, deletionProtection=True, tags={"a": "b"}),
        [],
    )
    assert rds.request("modify_db_instance") == {
        "DBInstanceIdentifier": "x",
        "ApplyImmediately": False,
        "DeletionProtection": True,
    }
    assert rds.request("add_tags_to_resource")["ResourceName"] == ARN.format("x")


def test_a_delete_needs_to_know_of_a_final_snapshot() -> None:
    rds = ScriptedRDS()
    with pytest.raises(
        ProviderError, match="final_snapshot_identifier is required when skip_final_snapshot is false"
    ):
        INSTANCE.delete(operation(rds), ID, state())
    assert rds.names == []
    INSTANCE.delete(operation(rds), ID, state(finalSnapshotIdentifier="last"))
    assert rds.request("delete_db_instance")["FinalDBSnapshotIdentifier"] == "last"


def test_what_is_gone_already_is_deleted() -> None:
    rds = ScriptedRDS()
    rds.errors["delete_db_instance"] = ["DBInstanceNotFound"]
    INSTANCE.delete(operation(rds), ID, state(skipFinalSnapshot=True))


def test_protection_is_lifted_only_where_the_state_says_so() -> None:
    rds = ScriptedRDS()
    rds.errors["delete_db_instance"] = ["InvalidParameterCombination"]
    with pytest.raises(ProviderError, match="disable deletion protection"):
        INSTANCE.delete(operation(rds), ID, state(skipFinalSnapshot=True))
    rds.errors["delete_db_instance"] = ["InvalidParameterCombination"]
    INSTANCE.delete(operation(rds), ID, state(skipFinalSnapshot=True, applyImmediately=True))
    assert rds.names[-3:] == ["delete_db_instance", "modify_db_instance", "delete_db_instance"]


def test_emptying_the_source_promotes() -> None:
    rds = ScriptedRDS()
    before = state(replicateSourceDb="orders", backupRetentionPeriod=3)
    INSTANCE.update(operation(rds), ID, before, inputs(storageEncrypted=True), [])
    assert rds.requests == [
        ("promote_read_replica", {"DBInstanceIdentifier": "x", "BackupRetentionPeriod": 3}),
    ]


def test_another_source_is_refused() -> None:
    before = state(replicateSourceDb="orders")
    with pytest.raises(ProviderError, match="cannot elect new source database for replication"):
        INSTANCE.update(
            operation(ScriptedRDS()),
            ID,
            before,
            inputs(storageEncrypted=True, replicateSourceDb="others"),
            [],
        )


def test_an_ignored_change_is_not_made() -> None:
    rds = ScriptedRDS()
    before = state(replicateSourceDb="orders-old")
    INSTANCE.update(
        operation(rds),
        ID,
        before,
        inputs(storageEncrypted=True, replicateSourceDb="orders", multiAz=True),
        ["replicateSourceDb"],
    )
    assert rds.requests == [
        ("modify_db_instance", {"DBInstanceIdentifier": "x", "ApplyImmediately": False, "MultiAZ": True})
    ]


def test_local_settings_need_no_call() -> None:
    rds = ScriptedRDS()
    after = INSTANCE.update(
        operation(rds), ID, state(), inputs(storageEncrypted=True, skipFinalSnapshot=True), []
    )
    assert rds.requests == []
    assert after["skipFinalSnapshot"] is True


def test_log_exports_are_switched_by_difference() -> None:
    rds = ScriptedRDS()
    before = state(enabledCloudwatchLogsExports=["error", "general"])
    INSTANCE.update(
        operation(rds),
        ID,
        before,
        inputs(storageEncrypted=True, enabledCloudwatchLogsExports=["error", "slowquery"]),
        [],
    )
    assert rds.request("modify_db_instance")["CloudwatchLogsExportConfiguration"] == {
        "EnableLogTypes": ["slowquery"],
        "DisableLogTypes": ["general"],
    }


def test_reading_finds_by_id_whatever_the_name_is_by_now() -> None:
    rds = ScriptedRDS(DBInstanceIdentifier="orders", Endpoint={"Address": "127.77.0.5", "Port": 3306})
    result = INSTANCE.read(operation(rds), ID, state(engineVersion="8.0", snapshotIdentifier="s"))
    assert result is not None
    identity, properties = result
    assert identity == ID
    assert properties["identifier"] == "orders"
    assert properties["endpoint"] == "127.77.0.5:3306"
    assert (properties["engineVersion"], properties["engineVersionActual"]) == ("8.0", "8.0.31")
    assert properties["snapshotIdentifier"] == "s"
    assert properties["skipFinalSnapshot"] is False
    rds.instance = None
    assert INSTANCE.read(operation(rds), ID, state()) is None


def test_an_import_by_name_gives_the_id_and_no_final_snapshot() -> None:
    result = INSTANCE.read(operation(ScriptedRDS()), "x", {})
    assert result is not None
    assert result[0] == ID
    assert result[1]["skipFinalSnapshot"] is True
    imported = INSTANCE.all_inputs_of(result[1])
    assert imported["identifier"] == "x"
    assert "address" not in imported
