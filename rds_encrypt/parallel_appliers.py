"""Parallel appliers of the encrypted instance: reduced to one while it has to stop at given coordinates.

RDS refuses to start replication until given coordinates with several parallel appliers, and MySQL 8.0 on RDS has four (a dump of
the variables of an RDS 8.0.41, 2025-06). Only the encrypted instance has to do that: it runs with a group of ours, the replica with
the source's. The applier reads the number when it starts, so nothing is stopped that would not be stopped anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.mysql.session import Session
from rds_encrypt.temporary_parameters import Owner, TemporaryParameters, variables

__all__ = ["ParallelAppliers", "applier_reduced"]

_NAMES = ("replica_parallel_workers", "slave_parallel_workers")
"""An 8.0 server knows both; a parameter group's family has one: `replica_…` from 8.4 on."""
_ONE = "1"
_IN_EFFECT = 600.0


@dataclass(frozen=True)
class ParallelAppliers:
    """The number of appliers of one encrypted instance.

    Attributes:
        group: the parameter group that only it uses; ``None`` if it runs with another one, which is not ours to change.
        owner_group: the source's, which has the owner's number.
        session: opens a session on it.
    """

    groups: ParameterGroups
    group: str | None
    owner_group: str
    session: Callable[[], AbstractContextManager[Session]]
    progress: Progress = silent

    @contextmanager
    def reduced(self) -> Iterator[None]:
        """Reduce the appliers to one for a ``with`` block, from their next start on.

        Raises:
            ActionRequired: the parameter group does not allow it.
            TimedOut: the parameter did not take effect.
            BaseExceptionGroup: the block failed, and so did restoring the number; it has both causes.
        """
        with self.session() as session:
            several = _appliers(session) > 1
        if not several:
            yield
            return
        if self.group is None:
            raise self._unchangeable("it does not run with the parameter group of the migration")
        parameters = self._parameters(self.group)
        with parameters.changed(lambda: self._reduce(parameters.group), "stopping at the same coordinates"):
            yield

    def put_back(self) -> None:
        """Restore the owner's number, if the group has ours: after each use, and after a killed run.

        Raises:
            TimedOut: it did not take effect.
        """
        if self.group is not None:
            self._parameters(self.group).put_back()

    def _parameters(self, group: str) -> TemporaryParameters:
        return TemporaryParameters(
            dict.fromkeys(_NAMES, _ONE),
            "its parallel appliers",
            self.groups,
            group,
            self.owner_group,
            self.session,
            self.progress,
        )

    def _unchangeable(self, reason: str) -> ActionRequired:
        return ActionRequired(
            f"RDS does not let parallel appliers stop at given coordinates, and {reason}",
            where=f"parameter group {self.group or self.owner_group}",
            fix=f"Set {_NAMES[1]} to 1 in parameter group {self.owner_group} during the migration, or set `verify.level: off`",
            safe="The source is not affected",
        )

    def _reduce(self, group: str) -> list[str]:
        names = self.groups.modifiable(group, _NAMES)
        if not names:
            raise self._unchangeable("its parameter group cannot reduce them to one")
        self.progress("reducing its parallel appliers to one")
        self.groups.set_now(group, {names[0]: _ONE})
        with self.session() as session:
            until(
                Wait(
                    f"{names[0]}={_ONE} on {session.endpoint}",
                    deadline=_IN_EFFECT,
                    first=0.2,
                    longest=5.0,
                    advice=f"Look at parameter group {group} and its instance, then run `pulumi up` again",
                ),
                lambda: _appliers(session),
                done=lambda appliers: appliers <= 1,
                describe=lambda appliers: f"{appliers} appliers",
                progress=self.progress,
            )
        return [names[0]]


def applier_reduced(session: Session, present: Owner, owner: Owner) -> list[str]:
    """Return why the instance has fewer appliers than its owner wants, as clauses; nothing if it does not.

    A killed verification may leave this behind: the instance would fall behind as soon as it follows under load.

    Args:
        present: the user's values in the group that the instance runs with.
        owner: the user's values in the source's group.
    """
    ours = [name for name in _NAMES if present.get(name, ("",))[0] == _ONE != owner.get(name, ("",))[0]]
    if not ours or _appliers(session) > 1:
        return []
    expected = owner.get(ours[0], ("the default",))[0]
    return [f"{ours[0]} is {_ONE}, not {expected}"]


def _appliers(session: Session) -> int:
    return max((int(value) for value in variables(session, *_NAMES).values()), default=0)
