"""The fences: what keeps applications from writing to an instance.

`read_only = 1` in a parameter group that only the source uses holds for existing connections and survives a reboot and the death
of our process, since the group outlives all of them; reads go on. Where the group cannot carry it, because it is AWS's default or shared,
rds-encrypt locks the accounts of applications and ends their sessions instead (``account_fence``).
Source: "Working with parameter groups" and "Common DBA tasks for MySQL" in the Amazon RDS User Guide; `read_only` is dynamic
there. FLUSH TABLES WITH READ LOCK is not permitted on RDS.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.parameter_groups import ParameterGroups, is_default
from rds_encrypt.core.errors import ActionRequired, Bug
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import writes
from rds_encrypt.mysql.session import Session

__all__ = ["Fence", "ParameterGroupFence", "group_cannot"]

_PARAMETER = "read_only"
_GRACE = 2.0
"""Seconds that running transactions get to finish before their sessions are ended, once the server has been told to close."""
_UNSEEN = 10.0
"""Seconds after which it counts as told, even if no session shows that: how long RDS takes to apply a parameter is not documented."""

# Tag values allow no braces, so the value to put back is noted as a word.
_WORDS = {None: "default", "0": "off", "OFF": "off", "{TrueIfReplica}": "true-if-replica"}
_VALUES = {"default": None, "off": "0", "true-if-replica": "{TrueIfReplica}"}


class Fence(Protocol):
    """What keeps applications from writing to an instance."""

    def __str__(self) -> str:
        """Describe it in a clause."""
        ...

    def apply(self, session: Session, *, deadline: float) -> None:
        """Close it, and prove that it holds.

        Raises:
            ActionRequired: it cannot hold.
            TimedOut: it did not close within ``deadline`` seconds.
        """
        ...

    def holds(self, session: Session) -> bool:
        """Whether it refuses applications, proved by an attempt."""
        ...

    def put_back(self) -> bool:
        """Open it as far as AWS's API can, which works while MySQL is down; return whether we had closed it."""
        ...

    def reopen(self, session: Session, *, deadline: float = 60.0) -> None:
        """Open the rest of it, and confirm that the instance accepts writes."""
        ...

    def hand_over(self, session: Session) -> None:
        """Let applications write to the candidate, which got its part of the fence by replication."""
        ...

    def note(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return, as tags for the other instance, what lifting it needs after this one, which has ``tags``, was deleted."""
        ...


def group_cannot(aws: Aws, group: str, fenced: Instance, other: Instance | None) -> str | None:
    """Return why a group cannot carry the fence around an instance, or ``None`` if it can.

    The instance may use the group, and the replicas of both and theirs, which are read-only anyway.
    """
    if is_default(group):
        return f"parameter group {group} is AWS's default, which cannot be changed"
    everybody = Instances(aws).all()
    replicas = _replicas_at_any_depth([fenced, *([other] if other is not None else [])], everybody)
    allowed = {fenced.resource_id, *(replica.resource_id for replica in replicas)}
    users = {instance.resource_id for instance in everybody if group in instance.parameter_groups}
    if strangers := users - allowed:
        return f"parameter group {group} is shared with {', '.join(sorted(strangers))}"
    return None


def _replicas_at_any_depth(owners: Sequence[Instance], everybody: Sequence[Instance]) -> list[Instance]:
    names = {name for owner in owners for name in owner.replicas}
    replicas = [instance for instance in everybody if instance.identifier in names]
    return [*replicas, *_replicas_at_any_depth(replicas, everybody)] if replicas else []


@dataclass(frozen=True)
class ParameterGroupFence:
    """`read_only` in the instance's parameter group."""

    instances: Instances
    groups: ParameterGroups
    instance_id: str
    group: str
    noted: str | None = None
    """What the other instance's tags say of it, in case this one or its tag is gone."""

    def __str__(self) -> str:
        return f"read_only = 1 in parameter group {self.group}; reads go on"

    def apply(self, session: Session, *, deadline: float) -> None:
        """Fence the source and prove that it refuses writes; end writers that keep the fence from closing.

        Raises:
            ActionRequired: it was read-only already, or it accepts our write despite the fence.
            TimedOut: the parameter did not take effect within ``deadline`` seconds.
        """
        self._note_value_before()
        self.groups.set_now(self.group, {_PARAMETER: "1"})
        started = time.monotonic()
        told: float | None = None

        def closed() -> bool:
            nonlocal told
            if writes.read_only(session):
                return True
            now = time.monotonic()
            if told is None and (
                now - started > min(_UNSEEN, deadline / 4) or writes.read_only_waits(session)
            ):
                told = now
            if told is not None and now - told > _GRACE:
                writes.end_writing_sessions(session)
            return False

        until(
            # Writes are refused from the first moment on: a late poll is outage.
            Wait(f"read_only on {session.endpoint}", deadline=deadline, first=0.05, longest=0.1),
            closed,
            done=bool,
            describe=lambda on: "read_only is on" if on else "read_only is off",
        )
        if not self.holds(session):
            raise ActionRequired(
                "the master user can still write although read_only is on",
                where=f"MySQL at {session.endpoint}",
                fix="Revoke SUPER and CONNECTION_ADMIN from it, then run `pulumi up` again",
            )
        writes.end_writing_sessions(session)

    def holds(self, session: Session) -> bool:
        """Whether the source refuses a write, by attempting one."""
        return writes.refused(session)

    def put_back(self) -> bool:
        """Restore the group's own value of `read_only`; return whether we had changed it."""
        fenced = self.instances.find(self.instance_id)
        noted = (fenced.tags.get(Tag.FENCE_BEFORE) if fenced is not None else None) or self.noted
        if noted is None:
            return False
        if noted not in _VALUES:
            raise Bug(f"tag {Tag.FENCE_BEFORE} has the unknown value {noted!r}", where=self.instance_id)
        value = _VALUES[noted]
        if value is None:
            self.groups.reset_now(self.group, [_PARAMETER])
        else:
            self.groups.set_now(self.group, {_PARAMETER: value})
        return True

    def reopen(self, session: Session, *, deadline: float = 60.0) -> None:
        """Confirm that the source accepts writes, and goes on to.

        RDS may yet be applying the change that closes it: until its group is in effect, a source that accepts writes may close.

        Raises:
            TimedOut: the source stayed read-only, or RDS went on applying its group, for ``deadline`` seconds.
        """
        writes.wait_until_writable(session, deadline=deadline)
        self.instances.wait(
            self.instance_id,
            "have its parameter group applied",
            lambda instance: instance.parameter_status != "applying",
            deadline=deadline,
        )
        writes.wait_until_writable(session, deadline=deadline)
        self.instances.untag(self.instance_id, [Tag.FENCE_BEFORE])

    def hand_over(self, session: Session) -> None:
        """Do nothing: parameters do not replicate."""

    def note(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the value to put back."""
        noted = tags.get(Tag.FENCE_BEFORE)
        return {} if noted is None else {Tag.FENCE_NOTE: noted}

    def _note_value_before(self) -> None:
        source = self.instances.get(self.instance_id)
        if Tag.FENCE_BEFORE in source.tags:
            return
        value = self.groups.user_values(self.group).get(_PARAMETER, (None, ""))[0]
        if value not in _WORDS:
            raise ActionRequired(
                f"read_only is already {value} in it, and this migration did not set it",
                where=f"parameter group {self.group}",
                fix="Find out who set it; set it to 0 when the source may accept writes again",
            )
        self.instances.tag(self.instance_id, {Tag.FENCE_BEFORE: _WORDS[value]})
