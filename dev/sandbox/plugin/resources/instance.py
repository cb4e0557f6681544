"""`aws:rds/instance:Instance`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pulumi_aws import rds

from dev.sandbox.plugin.errors import PartialFailure, ProviderError, aws_error, code_of
from dev.sandbox.plugin.resources.base import Failure, Operation, Resource, tag_list
from dev.sandbox.plugin.resources.instance_readings import readings
from dev.sandbox.plugin.resources.instance_tables import (
    ALWAYS,
    API_NAMES,
    ATTRIBUTES,
    CONFLICTS,
    CREATE_TAKES,
    LOCAL,
    REPLICA_MODIFIES,
    REPLICA_TAKES,
    RESTORE_MODIFIES,
    RESTORE_TAKES,
    UNSUPPORTED,
)
from dev.sandbox.plugin.values import UNKNOWN, Properties, is_empty
from dev.sandbox.plugin.waits import INSTANCE_AVAILABLE, INSTANCE_DELETED, Wait

__all__ = ["Instance", "find_instance"]

_CREATE_MINUTES = 40
_UPDATE_MINUTES = 80
_DELETE_MINUTES = 60
_STORAGE_IS_BUSY = "previous storage change is being optimized"


_made_up = count()


@dataclass
class _Afterwards:
    """What a create call could not take: one ModifyDBInstance, and perhaps a reboot, once the instance is there."""

    modify: dict[str, Any] = field(default_factory=dict)
    needed: bool = False
    reboot: bool = False


class Instance(Resource):
    """A DB instance: a new one, a read replica, or one restored from a snapshot."""

    token = "aws:rds/instance:Instance"
    sdk = rds.Instance
    named_by = "identifier"
    arn = "arn"
    timeouts = frozenset({"create", "update", "delete"})
    attributes = ATTRIBUTES
    conflicts = CONFLICTS

    # --- check and diff ----------------------------------------------------------------------------------------------

    def validate(self, resource: str, inputs: Properties) -> Iterable[Failure]:
        """Refuse names, ARNs and windows that AWS's API would, and the ways of creation that we don't do."""
        for name in UNSUPPORTED:
            if not is_empty(inputs.get(name)):
                yield Failure(name, f"the stand-in for pulumi-resource-aws does not support '{name}'")
        identifier = inputs.get("identifier")
        if identifier and identifier != UNKNOWN:
            for reason in _identifier_faults("identifier", identifier):
                yield Failure("identifier", f"{reason}. Examine values at '{resource}.identifier'.")
        final = inputs.get("finalSnapshotIdentifier")
        if final and final != UNKNOWN:
            for reason in _identifier_faults("final_snapshot_identifier", final.lower()):
                yield Failure("finalSnapshotIdentifier", f"{reason}. Examine values at '{resource}'.")
        for name in ("kmsKeyId", "performanceInsightsKmsKeyId"):
            key = inputs.get(name)
            if key and key != UNKNOWN and not key.startswith("arn:"):
                yield Failure(
                    name,
                    f"\"{name}\" ({key}) is an invalid ARN: arn: invalid prefix. Examine values at '{resource}'.",
                )

    def equal(self, name: str, old: Any, new: Any, state: Properties, inputs: Properties) -> bool:
        """Know the differences that the real provider suppresses."""
        if name == "engine" and isinstance(old, str) and isinstance(new, str):
            return old.lower() == new.lower()
        if name == "maintenanceWindow" and isinstance(old, str) and isinstance(new, str):
            return old.lower() == new.lower()
        if name == "allocatedStorage" and isinstance(old, int) and isinstance(new, int):
            # Storage that has grown by itself is no difference.
            return old == new or (old > new and int(inputs.get("maxAllocatedStorage") or 0) > new)
        if name == "maxAllocatedStorage" and is_empty(old) and new == inputs.get("allocatedStorage"):
            return True
        return super().equal(name, old, new, state, inputs)

    # --- create ------------------------------------------------------------------------------------------------------

    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        """Create, replicate or restore; wait; modify and reboot for what the call couldn't take."""
        name = inputs.get("identifier") or _made_up_name(inputs.get("identifierPrefix") or "terraform-")
        after = _Afterwards()
        rds_client = operation.rds(inputs)
        if not is_empty(inputs.get("replicateSourceDb")):
            how, created = "(read replica) ", self._replicate(operation, rds_client, name, inputs, after)
        elif not is_empty(inputs.get("snapshotIdentifier")):
            how, created = (
                "(restore from snapshot) ",
                self._restore(operation, rds_client, name, inputs, after),
            )
        else:
            how, created = "", self._create(operation, rds_client, name, inputs, after)
        identity = created["DbiResourceId"]
        state = {**inputs, "identifier": name, "arn": created.get("DBInstanceArn"), "resourceId": identity}
        try:
            self._wait(
                operation,
                f"creating RDS DB Instance {how}({name})",
                state,
                operation.timeout_or(_CREATE_MINUTES),
            )
            self._finish(operation, state, after)
            result = self.read(operation, identity, state)
        except ProviderError as error:
            raise PartialFailure(
                str(error), identity=identity, state=self.half_made(operation, state)
            ) from error
        if result is None:
            raise ProviderError(f"reading RDS DB Instance ({name}): couldn't find resource")
        return result

    def _finish(self, operation: Operation, state: Properties, after: _Afterwards) -> None:
        rds_client, name = operation.rds(state), state["identifier"]
        if after.needed:
            after.modify.update(DBInstanceIdentifier=name, ApplyImmediately=True)
            doing = f"updating RDS DB Instance ({name})"
            _modify(operation, doing, rds_client, after.modify)
            self._wait(operation, doing, state, _UPDATE_MINUTES * 60)
        if after.reboot:
            doing = f"rebooting RDS DB Instance ({name})"
            _call(doing, rds_client.reboot_db_instance, {"DBInstanceIdentifier": name})
            self._wait(operation, doing, state, _UPDATE_MINUTES * 60)

    def _replicate(
        self, operation: Operation, rds_client: Any, name: str, inputs: Properties, after: _Afterwards
    ) -> Mapping[str, Any]:
        request = self._request(operation, name, inputs, REPLICA_TAKES)
        request["SourceDBInstanceIdentifier"] = inputs["replicateSourceDb"]
        created = self._made(
            f"creating RDS DB Instance (read replica) ({name})",
            rds_client.create_db_instance_read_replica,
            request,
        )
        current = readings(created)
        for attribute in REPLICA_MODIFIES:
            if not is_empty(inputs.get(attribute)) and inputs[attribute] != current.get(attribute):
                self._later(after, attribute, inputs)
                after.reboot = after.reboot or attribute == "parameterGroupName"
        if not is_empty(inputs.get("replicaMode")):
            self._later(after, "replicaMode", inputs)
        self._later_password(after, inputs)
        return created

    def _restore(
        self, operation: Operation, rds_client: Any, name: str, inputs: Properties, after: _Afterwards
    ) -> Mapping[str, Any]:
        request = self._request(operation, name, inputs, RESTORE_TAKES)
        request["DBSnapshotIdentifier"] = inputs["snapshotIdentifier"]
        for attribute in RESTORE_MODIFIES:
            if not is_empty(inputs.get(attribute)):
                self._later(after, attribute, inputs)
        if "backupRetentionPeriod" in inputs:
            self._later(after, "backupRetentionPeriod", inputs)
        if "performanceInsightsEnabled" in after.modify:
            for attribute in ("performanceInsightsKmsKeyId", "performanceInsightsRetentionPeriod"):
                if not is_empty(inputs.get(attribute)):
                    self._later(after, attribute, inputs)
        self._later_password(after, inputs)
        return self._made(
            f"creating RDS DB Instance (restore from snapshot) ({name})",
            rds_client.restore_db_instance_from_db_snapshot,
            request,
        )

    def _create(
        self, operation: Operation, rds_client: Any, name: str, inputs: Properties, after: _Afterwards
    ) -> Mapping[str, Any]:
        for attribute in ("allocatedStorage", "engine", "username"):
            if is_empty(inputs.get(attribute)):
                raise ProviderError(f'"{attribute}": required field is not set')
        secret = [inputs.get(key) for key in ("password", "passwordWo", "manageMasterUserPassword")]
        if all(map(is_empty, secret)):
            raise ProviderError('"password": required field is not set')
        request = self._request(operation, name, inputs, CREATE_TAKES)
        if not is_empty(inputs.get("passwordWo")):
            request["MasterUserPassword"] = inputs["passwordWo"]
        return self._made(f"creating RDS DB Instance ({name})", rds_client.create_db_instance, request)

    def _request(
        self, operation: Operation, name: str, inputs: Properties, takes: Sequence[str]
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "DBInstanceIdentifier": name,
            "Tags": tag_list(operation.merged_tags(inputs.get("tags"))),
        }
        for attribute in ALWAYS:
            request[API_NAMES[attribute]] = inputs.get(attribute, False)
        for attribute in takes:
            if not is_empty(inputs.get(attribute)):
                request[API_NAMES[attribute]] = inputs[attribute]
        return request

    def _later(self, after: _Afterwards, attribute: str, inputs: Properties) -> None:
        after.modify[API_NAMES[attribute]] = inputs[attribute]
        after.needed = True
        if not is_empty(inputs.get("allowMajorVersionUpgrade")):
            after.modify["AllowMajorVersionUpgrade"] = True

    def _later_password(self, after: _Afterwards, inputs: Properties) -> None:
        password = inputs.get("password") or inputs.get("passwordWo")
        if not is_empty(password):
            after.modify["MasterUserPassword"] = password
            after.needed = True

    def _made(self, doing: str, call: Callable[..., Any], request: dict[str, Any]) -> Mapping[str, Any]:
        made: Mapping[str, Any] = _call(doing, call, request)["DBInstance"]
        return made

    # --- read --------------------------------------------------------------------------------------------------------

    def read(self, operation: Operation, identity: str, state: Properties) -> tuple[str, Properties] | None:
        """Find the instance by its DbiResourceId (an identifier will do for an import)."""
        rds_client = operation.rds(state)
        try:
            instance = find_instance(rds_client, identity)
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"reading RDS DB Instance ({identity})", error) from error
        if instance is None:
            return None
        result = self.unread(state)
        for name, value in readings(instance).items():
            result[name] = self.schema.zero(name) if value is None else value
        if not state.get("identifier") and not state.get("skipFinalSnapshot"):
            # An import: no API call tells these, and the real provider would rather not demand a final snapshot then.
            result.update(skipFinalSnapshot=True, deleteAutomatedBackups=True)
        asked, actual = state.get("engineVersion"), result["engineVersionActual"]
        if isinstance(asked, str) and asked and actual.startswith(asked):
            result["engineVersion"] = asked
        self.keep_order(result, state)
        result["region"] = operation.region(state)
        result.update(self.read_tags(operation, result))
        return str(instance["DbiResourceId"]), {
            name: value for name, value in result.items() if value is not None
        }

    # --- update and delete: addressed by the identifier in state, as the real provider does ----------------------------

    def update(
        self,
        operation: Operation,
        identity: str,
        state: Properties,
        inputs: Properties,
        ignored: Sequence[str],
    ) -> Properties:
        """Promote, modify, retag: whatever changed."""
        changed = {change.name for change in self.diff(operation, state, inputs, ignored)}
        name = state["identifier"]
        rds_client = operation.rds(state)
        timeout = operation.timeout_or(_UPDATE_MINUTES)
        if "replicateSourceDb" in changed:
            if not is_empty(inputs.get("replicateSourceDb")):
                raise ProviderError(
                    f"updating RDS DB Instance ({name}): cannot elect new source database for replication"
                )
            request: dict[str, Any] = {"DBInstanceIdentifier": name}
            retention = inputs.get("backupRetentionPeriod", state.get("backupRetentionPeriod"))
            request["BackupRetentionPeriod"] = retention or 0
            if not is_empty(inputs.get("backupWindow")):
                request["PreferredBackupWindow"] = inputs["backupWindow"]
            doing = f"promoting RDS DB Instance ({name})"
            _call(doing, rds_client.promote_read_replica, request)
            self._wait(operation, doing, state, timeout)
        if changed - LOCAL:
            doing = f"updating RDS DB Instance ({name})"
            _modify(operation, doing, rds_client, self._modification(name, state, inputs, changed))
            self._wait(operation, doing, state, timeout)
        if "tagsAll" in changed:
            self.update_tags(operation, state, state.get("tags") if "tags" in ignored else inputs.get("tags"))
        result = self.read(operation, identity, {**self.plan(operation, inputs, state), "arn": state["arn"]})
        if result is None:
            raise ProviderError(f"reading RDS DB Instance ({name}): couldn't find resource")
        return result[1]

    def _modification(
        self, name: str, state: Properties, inputs: Properties, changed: set[str]
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "DBInstanceIdentifier": name,
            "ApplyImmediately": bool(inputs.get("applyImmediately")),
        }
        # What the program leaves out stays as it is if AWS filled it in, else it goes back to nothing.
        desired = {
            attribute: value
            for attribute in API_NAMES
            if (
                value := inputs.get(
                    attribute, state.get(attribute) if self.attribute(attribute).computed else None
                )
            )
            is not None
        }
        for attribute in sorted(changed - LOCAL):
            if attribute in API_NAMES:
                request[API_NAMES[attribute]] = desired.get(attribute, self.schema.zero(attribute))
        self._adjust_names(request, inputs, changed)
        self._adjust_storage(request, desired, inputs, changed)
        if "enabledCloudwatchLogsExports" in changed:
            before, now = (set(side.get("enabledCloudwatchLogsExports") or ()) for side in (state, inputs))
            del request["EnableCloudwatchLogsExports"]
            request["CloudwatchLogsExportConfiguration"] = {
                "EnableLogTypes": sorted(now - before),
                "DisableLogTypes": sorted(before - now),
            }
        if changed & {"performanceInsightsKmsKeyId", "performanceInsightsRetentionPeriod"}:
            request["EnablePerformanceInsights"] = bool(desired.get("performanceInsightsEnabled"))
        return request

    def _adjust_names(self, request: dict[str, Any], inputs: Properties, changed: set[str]) -> None:
        """Name what ModifyDBInstance names differently from the other calls."""
        if "Port" in request:
            request["DBPortNumber"] = request.pop("Port")
        if "identifier" in changed:
            request["NewDBInstanceIdentifier"] = inputs["identifier"]
        if "engineVersion" in changed:
            request["AllowMajorVersionUpgrade"] = bool(inputs.get("allowMajorVersionUpgrade"))
        if "passwordWoVersion" in changed and not is_empty(inputs.get("passwordWo")):
            request["MasterUserPassword"] = inputs["passwordWo"]

    def _adjust_storage(
        self, request: dict[str, Any], desired: Properties, inputs: Properties, changed: set[str]
    ) -> None:
        """Give size and IOPS together, and switch off autoscaling by the size that there is."""
        if changed & {"allocatedStorage", "iops"}:
            for attribute in ("allocatedStorage", "iops"):
                if not is_empty(desired.get(attribute)):
                    request[API_NAMES[attribute]] = desired[attribute]
        if "maxAllocatedStorage" in changed and is_empty(inputs.get("maxAllocatedStorage")):
            request["MaxAllocatedStorage"] = desired.get("allocatedStorage", 0)

    def delete(self, operation: Operation, identity: str, state: Properties) -> None:
        """Delete whatever bears the identifier in state by now."""
        name = state["identifier"]
        doing = f"deleting RDS DB Instance ({name})"
        request: dict[str, Any] = {
            "DBInstanceIdentifier": name,
            "DeleteAutomatedBackups": bool(state.get("deleteAutomatedBackups", True)),
            "SkipFinalSnapshot": bool(state.get("skipFinalSnapshot")),
        }
        if not request["SkipFinalSnapshot"]:
            if is_empty(state.get("finalSnapshotIdentifier")):
                raise ProviderError(
                    f"{doing}: final_snapshot_identifier is required when skip_final_snapshot is false"
                )
            request["FinalDBSnapshotIdentifier"] = state["finalSnapshotIdentifier"]
        rds_client = operation.rds(state)
        try:
            try:
                rds_client.delete_db_instance(**request)
            except ClientError as error:
                if not self._may_lift_protection(state, error):
                    raise
                rds_client.modify_db_instance(
                    DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True
                )
                self._wait(operation, doing, state, _UPDATE_MINUTES * 60)
                rds_client.delete_db_instance(**request)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and code_of(error) in (
                "DBInstanceNotFound",
                "DBInstanceNotFoundFault",
            ):
                return
            if "is already being deleted" not in str(error):
                raise aws_error(doing, error) from error
        timeout = operation.timeout_or(_DELETE_MINUTES)
        self._wait(operation, doing, state, timeout, wait=INSTANCE_DELETED)

    def _may_lift_protection(self, state: Properties, error: ClientError) -> bool:
        """Tell whether the state says that protection should be off already, applied at once."""
        protected = "disable deletion pro" in str(error)
        return protected and is_empty(state.get("deletionProtection")) and bool(state.get("applyImmediately"))

    def _wait(
        self,
        operation: Operation,
        doing: str,
        state: Properties,
        timeout: float,
        *,
        wait: Wait = INSTANCE_AVAILABLE,
    ) -> None:
        """Wait for the instance with the state's DbiResourceId."""
        rds_client, identity = operation.rds(state), state["resourceId"]

        def look() -> str | None:
            instance = find_instance(rds_client, identity)
            return None if instance is None else str(instance["DBInstanceStatus"])

        try:
            operation.waiter.until(wait, look, timeout)
        except ProviderError as error:
            raise ProviderError(f"{doing}: waiting for completion: {error}") from error
        except (ClientError, BotoCoreError) as error:
            raise aws_error(f"{doing}: waiting for completion", error) from error


def find_instance(rds_client: Any, identity: str) -> Mapping[str, Any] | None:
    """Find an instance by its DbiResourceId, or by identifier if that is what we are given."""
    if re.fullmatch(r"db-[0-9A-Z]{2,255}", identity):
        request: dict[str, Any] = {"Filters": [{"Name": "dbi-resource-id", "Values": [identity]}]}
    else:
        request = {"DBInstanceIdentifier": identity}
    try:
        instances = rds_client.describe_db_instances(**request)["DBInstances"]
    except ClientError as error:
        if code_of(error) in ("DBInstanceNotFound", "DBInstanceNotFoundFault"):
            return None
        raise
    return instances[0] if instances else None


def _call(doing: str, call: Callable[..., Any], request: Mapping[str, Any]) -> Any:
    try:
        return call(**request)
    except (ClientError, BotoCoreError) as error:
        raise aws_error(doing, error) from error


def _modify(operation: Operation, doing: str, rds_client: Any, request: Mapping[str, Any]) -> None:
    """Modify the instance, again after a while if its storage has only just been changed, as the real provider does.

    What RDS refuses for another reason, a busy instance among them, is an error at once (terraform-provider-aws #11905).
    """
    deadline = time.monotonic() + operation.timeout_or(_UPDATE_MINUTES)
    while True:
        try:
            _call(doing, rds_client.modify_db_instance, request)
        except ProviderError as error:
            if _STORAGE_IS_BUSY not in str(error) or time.monotonic() >= deadline:
                raise
            operation.waiter.sleep(INSTANCE_AVAILABLE.interval)
        else:
            return


def _identifier_faults(name: str, value: str) -> Iterable[str]:
    if not re.fullmatch(r"[0-9a-z-]+", value):
        yield f'only lowercase alphanumeric characters and hyphens allowed in "{name}"'
    if not re.match(r"[a-z]", value):
        yield f'first character of "{name}" must be a letter'
    if "--" in value:
        yield f'"{name}" cannot contain two consecutive hyphens'
    if value.endswith("-"):
        yield f'"{name}" cannot end with a hyphen'


def _made_up_name(prefix: str) -> str:
    return f"{prefix}{datetime.now():%Y%m%d%H%M%S%f}{next(_made_up):08x}"
