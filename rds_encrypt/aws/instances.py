"""DB instances: found by name once, then known by their DbiResourceId, which no rename changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import botocore.exceptions

from rds_encrypt.aws.changes import SERVING, USABLE, Attempts, has, insist
from rds_encrypt.aws.clients import Aws, code_of, sorted_errors
from rds_encrypt.aws.looks import LINGER, in_pages, shared_looks
from rds_encrypt.core.errors import ActionRequired, Bug, MigrationError, Retryable
from rds_encrypt.core.waiting import Progress, Wait, silent, until

__all__ = ["Instance", "Instances"]

_RESTORED_BADLY = (
    "Read its events in the RDS console; tables that are not InnoDB are a common cause."
    " Then run `pulumi destroy` in phase `replicate` and `pulumi up`"
)
_KEY = "Enable its KMS key, and let its policy allow RDS the use of it; then start the instance and run the same command again"
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
    "insufficient-capacity": "Run the same command again later, or choose another class for it: AWS has none of this one left there",
    "storage-full": "Give it more storage (`aws rds modify-db-instance --allocated-storage …`), then run the same command again",
}
"""Statuses that an instance does not leave by itself, and what to do about each."""

_TAKEN = frozenset({"DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"})
"""Answers to a rename to a name that is not free yet."""

_POLL = 0.2
_LONGEST_POLL = 1.0
"""Seconds between the polls of a rename that cannot begin yet. They are outage, so they grow slowly: to 1 s after 20 s."""


_MODIFIED_IN = USABLE | {"storage-full"}
"""Statuses in which RDS may accept changes: in ``storage-full`` it takes more storage, and whether all else is not documented."""

_RENAMED_IN = _MODIFIED_IN | {"backing-up"}
"""Statuses in which a rename is asked for: whether RDS accepts it during a backup is not documented, and production is waiting."""

_STOPPED_FROM = frozenset({"available", "stopping", "stopped"})
"""Statuses in which there is nothing to wait for before a stop.

Source: "StopDBInstance" in the Amazon RDS API Reference: the instance must be in the ``available`` state.
"""

_PAUSES = (0.3, 0.7, 1.5)
"""Seconds between the looks at what should be there and is not listed."""


_UNHURRIED = 1.0
"""Seconds between the looks of a wait from which on nobody minds a moment more."""


@dataclass(frozen=True)
class Instance:
    """What DescribeDBInstances says of one instance; ``description`` holds all of it."""

    description: Mapping[str, Any]

    @property
    def identifier(self) -> str:
        """The name it has now."""
        return str(self.description["DBInstanceIdentifier"])

    @property
    def resource_id(self) -> str:
        """The DbiResourceId: the identity that stays (``db-…``)."""
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
        """Whether its MySQL serves, also while it is being backed up."""
        return self.status in SERVING

    @property
    def broken(self) -> bool:
        """Whether it is in a status that it does not leave by itself."""
        return self.status in _BROKEN

    @property
    def address(self) -> str | None:
        """The host name it answers at, once it has one."""
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
        """``in-sync``, ``applying`` while a change is on its way, or ``pending-reboot``."""
        return str(self.description["DBParameterGroups"][0]["ParameterApplyStatus"])

    @property
    def groups_not_in_sync(self) -> list[str]:
        """The parameter and option groups that are associated with it, but not in effect (yet)."""
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
        """Days that automated backups are kept; 0 means that backups, and with them binlogs, are off."""
        return int(self.description.get("BackupRetentionPeriod") or 0)

    @property
    def replicas(self) -> list[str]:
        """The identifiers of its replicas in this region."""
        return list(self.description.get("ReadReplicaDBInstanceIdentifiers", []))

    def __str__(self) -> str:
        return f"{self.identifier} is {self.status}"


class Instances:
    """The region's DB instances.

    Looks are put together with those of other threads; each is answered by a request that began after it was wanted.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._looks = shared_looks(aws.settings)

    def named(self, identifiers: Iterable[str]) -> dict[str, Instance]:
        """Return those of the given names that exist, by name."""
        wanted = sorted({identifier.lower() for identifier in identifiers})
        with sorted_errors(", ".join(wanted)):
            return self._with_recent_tags(self._looks.by_name.ask(wanted, self._called))

    def all(self) -> list[Instance]:
        """Return all instances of the region."""
        region = self._aws.region
        with sorted_errors(f"DB instances in {region}"):
            listed = self._looks.all.ask([region], lambda _: {region: self._described()})[region]
        return list(self._with_recent_tags({each.resource_id: each for each in listed}).values())

    def find(self, resource_id: str) -> Instance | None:
        """Return the instance with this DbiResourceId, or ``None`` if there is none (any more)."""
        return self.find_several([resource_id]).get(resource_id)

    def find_several(self, resource_ids: Iterable[str], *, linger: float = 0.0) -> dict[str, Instance]:
        """Return those of the given instances that there are, by DbiResourceId, as they were at one moment."""
        wanted = sorted(set(resource_ids))
        with sorted_errors(", ".join(wanted)):
            return self._with_recent_tags(self._looks.by_id.ask(wanted, self._identified, linger=linger))

    def get(self, resource_id: str) -> Instance:
        """Return the instance with this DbiResourceId.

        Raises:
            ActionRequired: there is none.
        """
        return self.get_several(resource_id)[0]

    def get_several(self, *resource_ids: str) -> tuple[Instance, ...]:
        """Return the instances with these DbiResourceIds, in this order, as they were at one moment.

        Raises:
            ActionRequired: one does not exist.
        """
        found = self.find_several(resource_ids)
        for pause in _PAUSES:  # AWS does not list at once what it has just made
            if all(each in found for each in resource_ids):
                break
            time.sleep(pause)
            found = self.find_several(resource_ids)
        if gone := [each for each in resource_ids if each not in found]:
            raise ActionRequired(
                "this DB instance no longer exists",
                where=", ".join(gone),
                fix="Run `pulumi refresh` to see what else is gone",
            )
        return tuple(found[each] for each in resource_ids)

    def wait_until_available(
        self, resource_id: str, *, deadline: float, progress: Progress = silent, longest: float = 10.0
    ) -> Instance:
        """Wait until the instance is available.

        Raises:
            ActionRequired: it is gone, or in a status it will not leave by itself.
            TimedOut: ``deadline`` seconds were not enough.
        """
        return self.wait(
            resource_id,
            "be available",
            lambda seen: seen.available,
            deadline=deadline,
            progress=progress,
            longest=longest,
        )

    def wait(
        self,
        resource_id: str,
        purpose: str,
        done: Any,
        *,
        deadline: float,
        progress: Progress = silent,
        longest: float = 10.0,
    ) -> Instance:
        """Wait until ``done`` holds for the instance, known by its DbiResourceId, whatever it is called meanwhile."""
        seen = until(
            Wait(
                f"it to {purpose}",
                where=resource_id,
                deadline=deadline,
                longest=longest,
                advice="Look at the instance's events in the RDS console, then run the same command again",
            ),
            self._look_at(resource_id, patient=longest >= _UNHURRIED),
            done=lambda found: found is not None and done(found),
            failed=lambda found: _broken(found) if found is not None else None,
            describe=lambda found: str(found) if found else "not listed at the moment",
            progress=progress,
        )
        if seen is None:
            raise Bug(f"a wait for {resource_id} ended with nothing seen")
        return seen

    def modify(self, resource_id: str, **changes: Any) -> None:
        """Modify the instance at once; the identity is looked up right before, since AWS only takes the name.

        While RDS refuses changes to an instance that is available, as it does for a while after a restore, it is asked again.

        Raises:
            ActionRequired: AWS refused, or the instance is gone.
            Retryable: the instance is busy.
        """
        insist(
            "RDS to accept a change",
            lambda: self.get(resource_id),
            lambda now: self._send(now, changes),
            lambda seen: has(seen.description, changes),
        )

    def ask_group(self, resource_id: str, parameter_group: str) -> bool:
        """Ask once for another parameter group, to be in effect after the next reboot; return whether it was accepted.

        Raises:
            ActionRequired: AWS refused for another reason than that the instance is busy.
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
        """Ask for another name and parameter group as soon as RDS can give them, and wait until then.

        A name is free a while before the instance that gave it up is available again, and waiting is outage. What RDS would
        refuse is not asked for: descriptions say whether the name is free and the instance usable. After a refusal the next
        attempt comes with the next change that is seen, or after a pause that grows.

        Raises:
            ActionRequired: AWS refused for another reason, or the instance is in a status in which it cannot be renamed.
            TimedOut: the name stayed taken for ``deadline`` seconds.
        """
        wanted = {"NewDBInstanceIdentifier": identifier, "DBParameterGroupName": parameter_group}
        attempts, holder = Attempts(), self.named([identifier]).get(identifier)

        def ask() -> tuple[bool, Instance]:
            nonlocal holder
            others = [] if holder is None or holder.resource_id == resource_id else [holder.resource_id]
            found = self.find_several([resource_id, *others])
            now = found.get(resource_id) or self.get(resource_id)
            former = found.get(others[0]) if others else None
            state = [(each.status, each.identifier) for each in (now, former) if each is not None]
            taken = former is not None and former.identifier == identifier
            if taken or now.status not in _RENAMED_IN or not attempts.due(state):
                return False, now
            if self._asked(now, wanted):
                return True, now
            attempts.refused(state)
            if former is None:  # somebody else may have it by now
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
            describe=lambda _: f"waiting for the name {identifier}: it is taken, or the instance busy",
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
        """Wait until the instance is available with the name and the group that were asked for, both in effect.

        A rename reboots, which is what puts the group into effect; where it did not, a reboot is asked for.

        Raises:
            TimedOut: it was not within ``deadline`` seconds.
        """
        # The status may still say `available` right after the call: what counts is the new name.
        renamed = self.wait(
            resource_id,
            f"be available as {identifier} with parameter group {parameter_group}",
            lambda seen: (
                seen.identifier == identifier
                and seen.serving
                and seen.parameter_group == parameter_group
                and seen.parameter_status != "applying"
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
            lambda seen: seen.available and seen.parameters_in_sync,
            deadline=deadline,
            progress=progress,
            longest=0.3,
        )

    def ask_reboot(self, resource_id: str) -> None:
        """Ask for a reboot that puts its parameter group into effect; does not wait for that.

        Raises:
            Retryable: RDS was busy for minutes.
            ActionRequired: RDS refused for another reason.
        """
        insist(
            "RDS to accept a reboot",
            lambda: self.get(resource_id),
            self._reboot,
            lambda seen: seen.status == "rebooting" or seen.parameters_in_sync,
        )

    def _asked(self, now: Instance, wanted: Mapping[str, str]) -> bool:
        """Ask for those changes that it does not have yet; return whether there is nothing left to ask for.

        Whatever the answer was, what counts is whether the change has been accepted.
        """
        present = {"NewDBInstanceIdentifier": now.identifier, "DBParameterGroupName": now.parameter_group}
        changes = {key: value for key, value in wanted.items() if present[key] != value}
        if not changes:
            return True
        try:
            self._send(now, changes)
        except MigrationError as error:
            if has(self.get(now.resource_id).description, changes):
                return True
            if isinstance(error, Retryable) or _says_taken(error):
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

    def _stop(self, now: Instance) -> None:
        with sorted_errors(now.identifier):
            self._aws.rds.stop_db_instance(DBInstanceIdentifier=now.identifier)

    def _ask_start(self, now: Instance) -> None:
        with sorted_errors(now.identifier):
            self._aws.rds.start_db_instance(DBInstanceIdentifier=now.identifier)

    def _ask_delete(self, now: Instance, final_snapshot: str | None) -> None:
        """Ask for its deletion; after any error, see whether it has begun: a repeated request is refused then."""
        final: dict[str, Any] = (
            {"SkipFinalSnapshot": True}
            if final_snapshot is None
            else {"FinalDBSnapshotIdentifier": final_snapshot}
        )
        try:
            with sorted_errors(now.identifier):
                self._aws.rds.delete_db_instance(DBInstanceIdentifier=now.identifier, **final)
        except MigrationError:
            after = self.find(now.resource_id)
            if after is not None and after.status != "deleting":
                raise

    def stop(self, resource_id: str, *, deadline: float, progress: Progress = silent) -> Instance:
        """Stop the instance and wait until it is stopped; RDS starts it again after seven days.

        RDS stops only an instance in status ``available``, and storage that was enlarged is being optimized for hours.

        Raises:
            ActionRequired: AWS refused, for example because the instance has a replica.
            TimedOut: it did not become available, or was not stopped, within ``deadline`` seconds.
        """
        ready = self.wait(
            resource_id,
            "be available, which RDS wants of an instance that it is to stop",
            lambda seen: seen.status in _STOPPED_FROM,
            deadline=deadline,
            progress=progress,
        )
        if ready.status == "available":
            insist(
                "RDS to accept a stop",
                lambda: self.get(resource_id),
                self._stop,
                lambda seen: seen.status in _STOPPED_FROM - {"available"},
            )
        return self.wait(
            resource_id,
            "be stopped",
            lambda seen: seen.status == "stopped",
            deadline=deadline,
            progress=progress,
        )

    def start(self, resource_id: str, *, deadline: float, progress: Progress = silent) -> None:
        """Start a stopped instance, and wait until it is available.

        Raises:
            ActionRequired: AWS refused, or it is in a status that it does not leave by itself.
            TimedOut: it was not available within ``deadline`` seconds.
        """
        self._start(self.get(resource_id), deadline=deadline, progress=progress)

    def _start(self, now: Instance, *, deadline: float, progress: Progress) -> None:
        insist(
            "RDS to accept a start",
            lambda: self.get(now.resource_id),
            self._ask_start,
            lambda seen: seen.status == "starting" or seen.available,
        )
        self.wait_until_available(now.resource_id, deadline=deadline, progress=progress)

    def delete(
        self, resource_id: str, *, final_snapshot: str | None, deadline: float, progress: Progress = silent
    ) -> None:
        """Delete the instance, deletion protection or not, and wait until it is gone.

        Raises:
            ActionRequired: AWS refused.
        """
        now = self.find(resource_id)
        if now is None:
            return
        if now.description.get("DeletionProtection"):
            if now.status in _BROKEN and now.status not in _MODIFIED_IN:
                raise ActionRequired(
                    f"it is protected from deletion, and RDS modifies no instance whose status is {now.status}",
                    where=now.identifier,
                    fix="Take the protection off in the RDS console if it lets you, else ask AWS Support;"
                    " then run the same command again",
                )
            if now.status == "stopped":
                self._start(now, deadline=deadline, progress=progress)  # RDS modifies no stopped instance
            self.modify(resource_id, DeletionProtection=False)
            self.wait(
                resource_id,
                "lose its deletion protection",
                lambda seen: seen.status in _MODIFIED_IN and not seen.description.get("DeletionProtection"),
                deadline=deadline,
            )
        if now.status != "deleting":
            self._ask_delete(now, final_snapshot)
        until(
            Wait(f"{now} to be deleted", deadline=deadline),
            self._look_at(resource_id, patient=True),
            done=lambda found: found is None,
            describe=str,
            progress=progress,
        )

    def tag(self, which: str | Instance, tags: Mapping[str, str]) -> None:
        """Add tags, or change those with the same keys.

        An instance that was looked at right before is not looked at again; any other is known by its DbiResourceId.
        """
        now = self.get(which) if isinstance(which, str) else which
        if all(now.tags.get(key) == value for key, value in tags.items()):
            return
        with sorted_errors(now.identifier):
            self._aws.rds.add_tags_to_resource(
                ResourceName=now.arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
            )
        self._aws.recent_tags.note(now.resource_id, now.tags, tags)

    def untag(self, which: str | Instance, keys: Iterable[str], *, unseen: bool = False) -> None:
        """Remove tags, if the instance still exists and has them; see ``tag``.

        With ``unseen``, also those that AWS does not describe: the answer to a call that wrote one may have been lost.
        """
        now = self.find(which) if isinstance(which, str) else which
        present = [key for key in keys if now is not None and (unseen or key in now.tags)]
        if now is None or not present:
            return
        with sorted_errors(now.identifier):
            self._aws.rds.remove_tags_from_resource(ResourceName=now.arn, TagKeys=present)
        self._aws.recent_tags.note(now.resource_id, now.tags, dict.fromkeys(present))

    def _with_recent_tags(self, found: Mapping[str, Instance]) -> dict[str, Instance]:
        recent = self._aws.recent_tags
        return {key: Instance(recent.applied_to(each.description)) for key, each in found.items()}

    def _look_at(self, resource_id: str, *, patient: bool) -> Callable[[], Instance | None]:
        """Return the look of a wait: the first one is wanted now; with a patient wait, later ones have time for company."""
        lingers = chain([0.0], repeat(LINGER if patient else 0.0))
        return lambda: self.find_several([resource_id], linger=next(lingers)).get(resource_id)

    def _identified(self, resource_ids: Sequence[str]) -> dict[str, Instance]:
        return {
            found.resource_id: found
            for some in in_pages(resource_ids)
            for found in self._filtered("dbi-resource-id", some)
        }

    def _called(self, identifiers: Sequence[str]) -> dict[str, Instance]:
        return {
            found.identifier: found
            for some in in_pages(identifiers)
            for found in self._filtered("db-instance-id", some)
        }

    def _filtered(self, name: str, values: list[str]) -> list[Instance]:
        try:
            return self._described(Filters=[{"Name": name, "Values": values}])
        except botocore.exceptions.ClientError as error:
            # AWS answers an unknown name with an empty list, but an unknown DbiResourceId with this error at times.
            if code_of(error) not in {"DBInstanceNotFound", "DBInstanceNotFoundFault"}:
                raise
            if len(values) == 1:
                return []
            # It does not say which of them, and the others are there.
            return [found for value in values for found in self._filtered(name, [value])]

    def _described(self, **arguments: Any) -> list[Instance]:
        pages = self._aws.rds.get_paginator("describe_db_instances").paginate(**arguments)
        return [Instance(found) for page in pages for found in page["DBInstances"]]


def _not_renamed(seen: Instance) -> ActionRequired | None:
    """Return why an instance cannot be renamed before somebody acts."""
    if seen.status == "stopped":
        return ActionRequired(
            "it is stopped, and RDS renames no stopped instance",
            where=seen.identifier,
            fix=f"Start it (`aws rds start-db-instance --db-instance-identifier {seen.identifier}`),"
            " then run the same command again",
        )
    return None if seen.status in _MODIFIED_IN else _broken(seen)


def _says_taken(error: MigrationError) -> bool:
    cause = error.__cause__
    return isinstance(cause, botocore.exceptions.ClientError) and code_of(cause) in _TAKEN


def _broken(seen: Instance) -> ActionRequired | None:
    fix = _BROKEN.get(seen.status)
    return (
        ActionRequired(
            f"its status is {seen.status}, which it will not leave by itself", where=seen.identifier, fix=fix
        )
        if fix is not None
        else None
    )
