"""A DB instance as AWS describes it, and the fix for a status that it does not leave on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rds_encrypt.aws.changes import RETIRED, SERVING, USABLE
from rds_encrypt.core.errors import ActionRequired

__all__ = ["Instance", "status_error"]

_RESTORED_BADLY = (
    "Read its events in the RDS console; tables that are not InnoDB are a common cause."
    " Then run `pulumi destroy` in phase `replicate` and `pulumi up`"
)
_KEY = "Enable its KMS key, and let its policy allow RDS to use it; then start the instance and run the same command again"
_BROKEN: Mapping[str, str] = {
    "failed": "Read its events in the RDS console; if it does not come back, ask AWS Support. Then run the same command again",
    "incompatible-create": "Read its events in the RDS console, and correct the setting that they name",
    "incompatible-network": "Give its subnet group free addresses in each zone, then run the same command again",
    "incompatible-option-group": "Correct the option that its events name, then run the same command again",
    "incompatible-parameters": "Correct the parameter that its events name in its parameter group, reboot it, then run the same command again",
    "incompatible-restore": _RESTORED_BADLY,
    "restore-error": _RESTORED_BADLY,
    "inaccessible-encryption-credentials": _KEY,
    "inaccessible-encryption-credentials-recoverable": _KEY,
    "insufficient-capacity": "Run the same command again later, or choose another class for it: AWS has no capacity for this one there",
    "storage-full": "Give it more storage (`aws rds modify-db-instance --allocated-storage …`), then run the same command again",
}
"""Statuses that an instance does not leave on its own, and the fix for each."""


@dataclass(frozen=True)
class Instance:
    """One instance as DescribeDBInstances returns it; ``description`` holds the whole answer."""

    description: Mapping[str, Any]

    @property
    def identifier(self) -> str:
        """Its current name."""
        return str(self.description["DBInstanceIdentifier"])

    @property
    def resource_id(self) -> str:
        """The DbiResourceId (``db-…``), which never changes."""
        return str(self.description["DbiResourceId"])

    @property
    def arn(self) -> str:
        """The ARN; it contains the name and changes with it."""
        return str(self.description["DBInstanceArn"])

    @property
    def status(self) -> str:
        """AWS's status, such as ``available``."""
        return str(self.description["DBInstanceStatus"])

    @property
    def available(self) -> bool:
        """Whether it is fully operational: in status ``available``, or in one in which only its storage is busy."""
        return self.status in USABLE

    @property
    def serving(self) -> bool:
        """Whether its MySQL serves, including during a backup."""
        return self.status in SERVING

    @property
    def down(self) -> bool:
        """Whether its MySQL is down, and will not come back on its own."""
        return self.broken or self.status in RETIRED

    @property
    def broken(self) -> bool:
        """Whether it is in a status that it does not leave on its own."""
        return self.status in _BROKEN

    @property
    def address(self) -> str | None:
        """Its host name, once it has one."""
        return (self.description.get("Endpoint") or {}).get("Address")

    @property
    def port(self) -> int:
        """The port it listens on."""
        endpoint = self.description.get("Endpoint") or {}
        return int(endpoint.get("Port") or self.description.get("DbInstancePort") or 3306)

    @property
    def encrypted(self) -> bool:
        """Whether its storage is encrypted."""
        return bool(self.description.get("StorageEncrypted"))

    @property
    def parameter_group(self) -> str:
        """The name of the parameter group it is associated with."""
        return str(self.description["DBParameterGroups"][0]["DBParameterGroupName"])

    @property
    def parameter_groups(self) -> set[str]:
        """The names of all parameter groups it is associated with."""
        return {str(group["DBParameterGroupName"]) for group in self.description["DBParameterGroups"]}

    @property
    def parameters_in_sync(self) -> bool:
        """Whether the associated parameter group is the one in effect."""
        return self.parameter_status == "in-sync"

    @property
    def parameter_status(self) -> str:
        """``in-sync``, ``applying`` during a change, or ``pending-reboot``."""
        return str(self.description["DBParameterGroups"][0]["ParameterApplyStatus"])

    @property
    def groups_not_in_sync(self) -> list[str]:
        """The parameter and option groups that are associated with it but not yet in effect."""
        waiting = [
            f"parameter group {group['DBParameterGroupName']} ({group['ParameterApplyStatus']})"
            for group in self.description["DBParameterGroups"]
            if group["ParameterApplyStatus"] != "in-sync"
        ]
        waiting += [
            f"option group {group['OptionGroupName']} ({group['Status']})"
            for group in self.description.get("OptionGroupMemberships", [])
            if group["Status"] != "in-sync"
        ]
        return waiting

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return {tag["Key"]: tag["Value"] for tag in self.description.get("TagList", [])}

    @property
    def allocated_gib(self) -> int:
        """The size of its storage in GiB."""
        return int(self.description["AllocatedStorage"])

    @property
    def retention_days(self) -> int:
        """Days for which AWS keeps automated backups; 0 turns backups off, and binlogs with them."""
        return int(self.description.get("BackupRetentionPeriod") or 0)

    @property
    def replicas(self) -> list[str]:
        """Its replicas: identifiers, and the ARNs of those in other regions."""
        return list(self.description.get("ReadReplicaDBInstanceIdentifiers", []))

    @property
    def replicas_here(self) -> list[str]:
        """The identifiers of its replicas in this region."""
        return [replica for replica in self.replicas if ":" not in replica]

    @property
    def replica_of(self) -> str | None:
        """The instance whose replica it is, if it is one."""
        return self.description.get("ReadReplicaSourceDBInstanceIdentifier") or None

    def __str__(self) -> str:
        return f"{self.identifier} is {self.status}"


def status_error(instance: Instance) -> ActionRequired | None:
    """Return the error for a status that the instance does not leave on its own, or ``None``."""
    fix = _BROKEN.get(instance.status)
    return (
        ActionRequired(
            f"its status is {instance.status}, which it will not leave on its own",
            where=instance.identifier,
            fix=fix,
        )
        if fix is not None
        else None
    )
