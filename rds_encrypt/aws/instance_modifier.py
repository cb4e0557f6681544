"""Modifies DB instances: settings, names and parameter groups, and the reboot that puts a group into effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rds_encrypt.aws.changes import MODIFIED_IN, Attempts, has, insist, name_taken
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.aws.instance import Instance, status_error
from rds_encrypt.aws.instance_reader import InstanceReader
from rds_encrypt.core.errors import ActionRequired, MigrationError, Retryable
from rds_encrypt.core.waiting import Progress, Wait, silent, until

__all__ = ["InstanceModifier"]

_POLL = 0.2
_LONGEST_POLL = 1.0
"""Seconds between polls for a rename that cannot begin yet. They add to the outage, so they grow slowly: to 1 s after 20 s."""

_RENAMED_IN = MODIFIED_IN | {"backing-up"}
"""Statuses in which to request a rename, since production waits; AWS does not document whether RDS accepts one during a backup."""


class InstanceModifier(InstanceReader):
    """Modifies the region's DB instances by DbiResourceId, and looks up the current name right before each call."""

    def modify(self, resource_id: str, **changes: Any) -> None:
        """Modify the instance immediately; AWS accepts only a name, so this looks it up right before.

        Repeats the request while RDS refuses changes to an available instance, as it does for a while after a restore.

        Raises:
            ActionRequired: AWS refused, or the instance is gone.
            Retryable: the instance is busy.
        """
        insist(
            "RDS to accept a change",
            lambda: self.get(resource_id),
            lambda now: self._send(now, changes),
            lambda instance: has(instance.description, changes),
        )

    def ask_group(self, resource_id: str, parameter_group: str) -> bool:
        """Request another parameter group once, which takes effect after a reboot; return whether RDS accepted it.

        Raises:
            ActionRequired: AWS refused, and not because the instance is busy.
        """
        return self._asked(self.get(resource_id), {"DBParameterGroupName": parameter_group})

    def ask_rename(
        self,
        resource_id: str,
        identifier: str,
        *,
        parameter_group: str,
        deadline: float,
        progress: Progress = silent,
    ) -> None:
        """Wait until RDS accepts another name and parameter group, and request them as early as possible.

        A name is free a while before its former instance is available again, and waiting adds to the outage. This only requests
        what RDS can accept: descriptions show whether the name is free and the instance usable. After a refusal it tries again
        once the state has changed, or after a growing pause.

        Raises:
            ActionRequired: AWS refused for another reason, or the instance is in a status in which it cannot be renamed.
            TimedOut: the name stayed taken for ``deadline`` seconds.
        """
        changes = {"NewDBInstanceIdentifier": identifier, "DBParameterGroupName": parameter_group}
        attempts, holder = Attempts(), self.named([identifier]).get(identifier)

        def ask() -> tuple[bool, Instance]:
            nonlocal holder
            others = [] if holder is None or holder.resource_id == resource_id else [holder.resource_id]
            instances = self.find_several([resource_id, *others])
            now = instances.get(resource_id) or self.get(resource_id)
            former = instances.get(others[0]) if others else None
            state = [
                (instance.status, instance.identifier) for instance in (now, former) if instance is not None
            ]
            taken = former is not None and former.identifier == identifier
            if taken or now.status not in _RENAMED_IN or not attempts.due(state):
                return False, now
            if self._asked(now, changes):
                return True, now
            attempts.refused(state)
            if former is None:  # another instance may have it by now
                holder = self.named([identifier]).get(identifier)
            return False, now

        until(
            Wait(
                f"RDS to begin renaming it to {identifier}",
                where=resource_id,
                deadline=deadline,
                first=_POLL,
                longest=_LONGEST_POLL,
                growth=1.02,
            ),
            ask,
            done=lambda asked: asked[0],
            failed=lambda asked: _not_renamed(asked[1]),
            describe=lambda _: f"waiting for the name {identifier}: it is taken, or the instance is busy",
            progress=progress,
        )

    def await_rename(
        self,
        resource_id: str,
        identifier: str,
        *,
        parameter_group: str,
        deadline: float,
        progress: Progress = silent,
    ) -> Instance:
        """Wait until the instance is available with the requested name and group, both in effect.

        A rename reboots the instance, which puts the group into effect; if it did not, this requests a reboot.

        Raises:
            TimedOut: ``deadline`` seconds were not enough.
        """
        # The status may still be `available` right after the call: only the new name counts.
        renamed = self.wait(
            resource_id,
            f"be available as {identifier} with parameter group {parameter_group}",
            lambda instance: (
                instance.identifier == identifier
                and instance.serving
                and instance.parameter_group == parameter_group
                and instance.parameter_status != "applying"
            ),
            deadline=deadline,
            progress=progress,
            longest=0.3,
        )
        if renamed.parameter_status != "pending-reboot":
            return renamed
        self.ask_reboot(resource_id)
        return self.wait(
            resource_id,
            f"be available with parameter group {parameter_group} in effect",
            lambda instance: instance.available and instance.parameters_in_sync,
            deadline=deadline,
            progress=progress,
            longest=0.3,
        )

    def ask_reboot(self, resource_id: str) -> None:
        """Request a reboot that puts its parameter group into effect, without waiting for it.

        Raises:
            Retryable: RDS was busy for minutes.
            ActionRequired: RDS refused for another reason.
        """
        self._insist_on_reboot(
            resource_id, lambda instance: instance.status == "rebooting" or instance.parameters_in_sync
        )

    def reboot(self, resource_id: str, *, deadline: float) -> Instance:
        """Reboot an instance, even if RDS calls its parameters `in-sync`, and wait until it is available.

        Raises:
            TimedOut: ``deadline`` seconds were not enough.
        """
        self._insist_on_reboot(resource_id, lambda instance: instance.status == "rebooting")
        return self.wait_until_available(resource_id, deadline=deadline)

    def _insist_on_reboot(self, resource_id: str, happened: Callable[[Instance], bool]) -> None:
        insist("RDS to accept a reboot", lambda: self.get(resource_id), self._reboot, happened)

    def _asked(self, now: Instance, changes: Mapping[str, str]) -> bool:
        """Request the missing changes; return whether RDS has accepted all of them.

        After an error, the instance's description decides.
        """
        present = {"NewDBInstanceIdentifier": now.identifier, "DBParameterGroupName": now.parameter_group}
        missing = {key: value for key, value in changes.items() if present[key] != value}
        if not missing:
            return True
        try:
            self._send(now, missing)
        except MigrationError as error:
            if has(self.get(now.resource_id).description, missing):
                return True
            if isinstance(error, Retryable) or name_taken(error):
                return False
            raise
        return True

    def _send(self, now: Instance, changes: Mapping[str, Any]) -> None:
        with sorted_errors(now.identifier):
            self._aws.rds.modify_db_instance(
                DBInstanceIdentifier=now.identifier, ApplyImmediately=True, **changes
            )

    def _reboot(self, now: Instance) -> None:
        with sorted_errors(now.identifier):
            self._aws.rds.reboot_db_instance(DBInstanceIdentifier=now.identifier)


def _not_renamed(instance: Instance) -> ActionRequired | None:
    """Return why RDS cannot rename the instance until you act, or ``None``."""
    if instance.status == "stopped":
        return ActionRequired(
            "it is stopped, and RDS does not rename a stopped instance",
            where=instance.identifier,
            fix=f"Start it (`aws rds start-db-instance --db-instance-identifier {instance.identifier}`),"
            " then run the same command again",
        )
    return None if instance.status in MODIFIED_IN else status_error(instance)
