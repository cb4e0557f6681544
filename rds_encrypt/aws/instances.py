"""DB instances, identified by their DbiResourceId, which a rename does not change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rds_encrypt.aws.changes import MODIFIED_IN, insist
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instance_modifier import InstanceModifier
from rds_encrypt.core.errors import ActionRequired, MigrationError
from rds_encrypt.core.waiting import Progress, Wait, silent, until

__all__ = ["Instances"]

_STOPPED_FROM = frozenset({"available", "stopping", "stopped"})
"""Statuses in which a stop needs no wait.

Source: "StopDBInstance" in the Amazon RDS API Reference: the instance must be in the ``available`` state.
"""


class Instances(InstanceModifier):
    """The region's DB instances: finds, modifies and renames them (see the bases), and stops, starts, deletes and tags them."""

    def stop(self, resource_id: str, *, deadline: float, progress: Progress = silent) -> Instance:
        """Stop the instance and wait until it is stopped; RDS starts it again after seven days.

        RDS stops an instance only in status ``available``, and optimizes enlarged storage for hours.

        Raises:
            ActionRequired: AWS refused, for example because the instance has a replica.
            TimedOut: it did not become available, or was not stopped, within ``deadline`` seconds.
        """
        ready = self.wait(
            resource_id,
            "be available, which RDS requires before it stops an instance",
            lambda instance: instance.status in _STOPPED_FROM,
            deadline=deadline,
            progress=progress,
        )
        if ready.status == "available":
            insist(
                "RDS to accept a stop",
                lambda: self.get(resource_id),
                self._stop,
                lambda instance: instance.status in _STOPPED_FROM - {"available"},
            )
        return self.wait(
            resource_id,
            "be stopped",
            lambda instance: instance.status == "stopped",
            deadline=deadline,
            progress=progress,
        )

    def start(self, resource_id: str, *, deadline: float, progress: Progress = silent) -> None:
        """Start a stopped instance, and wait until it is available.

        Raises:
            ActionRequired: AWS refused, or it is in a status that it does not leave on its own.
            TimedOut: it was not available within ``deadline`` seconds.
        """
        self._start(self.get(resource_id), deadline=deadline, progress=progress)

    def _start(self, now: Instance, *, deadline: float, progress: Progress) -> None:
        insist(
            "RDS to accept a start",
            lambda: self.get(now.resource_id),
            self._ask_start,
            lambda instance: instance.status == "starting" or instance.available,
        )
        self.wait_until_available(now.resource_id, deadline=deadline, progress=progress)

    def delete(
        self, resource_id: str, *, final_snapshot: str | None, deadline: float, progress: Progress = silent
    ) -> None:
        """Delete the instance, even if it has deletion protection, and wait until it is gone.

        Raises:
            ActionRequired: AWS refused.
        """
        now = self.find(resource_id)
        if now is None:
            return
        if now.description.get("DeletionProtection"):
            if now.broken and now.status not in MODIFIED_IN:
                raise ActionRequired(
                    f"it is protected from deletion, and RDS does not modify an instance whose status is {now.status}",
                    where=now.identifier,
                    fix="Turn deletion protection off in the RDS console if it lets you, otherwise ask AWS Support;"
                    " then run the same command again",
                )
            if now.status == "stopped":
                # RDS does not modify a stopped instance.
                self._start(now, deadline=deadline, progress=progress)
            self.modify(resource_id, DeletionProtection=False)
            self.wait(
                resource_id,
                "lose its deletion protection",
                lambda instance: (
                    instance.status in MODIFIED_IN and not instance.description.get("DeletionProtection")
                ),
                deadline=deadline,
            )
        if now.status != "deleting":
            self._ask_delete(now, final_snapshot)
        until(
            Wait(f"{now} to be deleted", deadline=deadline),
            self._look_at(resource_id, patient=True),
            done=lambda instance: instance is None,
            describe=str,
            progress=progress,
        )

    def tag(self, which: str | Instance, tags: Mapping[str, str]) -> None:
        """Add tags, or change those with the same keys.

        ``which`` is a current description, which is not read again, or a DbiResourceId.
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

        With ``unseen``, also remove tags that AWS does not describe: the answer to the call that wrote one may have been lost.
        """
        now = self.find(which) if isinstance(which, str) else which
        present = [key for key in keys if now is not None and (unseen or key in now.tags)]
        if now is None or not present:
            return
        with sorted_errors(now.identifier):
            self._aws.rds.remove_tags_from_resource(ResourceName=now.arn, TagKeys=present)
        self._aws.recent_tags.note(now.resource_id, now.tags, dict.fromkeys(present))

    def _stop(self, now: Instance) -> None:
        with sorted_errors(now.identifier):
            self._aws.rds.stop_db_instance(DBInstanceIdentifier=now.identifier)

    def _ask_start(self, now: Instance) -> None:
        with sorted_errors(now.identifier):
            self._aws.rds.start_db_instance(DBInstanceIdentifier=now.identifier)

    def _ask_delete(self, now: Instance, final_snapshot: str | None) -> None:
        """Request its deletion; after any error, check whether it has begun, since RDS then refuses another request."""
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
