"""Durability of the encrypted instance: relaxed while it is far behind, so that it catches up faster, and restored before it matters.

Two parameters make MySQL flush each commit to disk, in InnoDB's log and in the binlog. rds-encrypt changes them in the group that
only the encrypted instance uses, never in the owner's. It stores no previous values: the owner's group has them, so that the run
after a killed one finds them there. Why that is safe: docs/decisions/0013-durability-while-catching-up.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.waiting import Progress, silent
from rds_encrypt.mysql.session import Session
from rds_encrypt.temporary_parameters import Owner, TemporaryParameters, left_behind, variables

__all__ = ["RELAXED", "Durability", "crash_safe", "less_durable"]

RELAXED: Mapping[str, str] = {"innodb_flush_log_at_trx_commit": "2", "sync_binlog": "1000"}
"""MySQL flushes InnoDB's log once a second instead of at each commit, and the binlog once in a thousand commits."""

_DURABLE = "1"
"""MySQL's and RDS's default of both: flush at each commit."""


@dataclass(frozen=True)
class Durability:
    """The two parameters of one encrypted instance.

    Attributes:
        group: the parameter group that only it uses.
        owner_group: the source's, which has the owner's values.
        session: opens a session on it; a fresh one for each poll, since a lost session may be why the values are restored.
    """

    groups: ParameterGroups
    group: str
    owner_group: str
    session: Callable[[], AbstractContextManager[Session]]
    progress: Progress = silent

    @contextmanager
    def relaxed(self) -> Iterator[list[str]]:
        """Relax the parameters that may be relaxed, for a ``with`` block; yield their names.

        Raises:
            BaseExceptionGroup: the block failed, and so did restoring the values; it has both causes.
        """
        with self._parameters.changed(self._relax, "catching up") as names:
            yield names

    def put_back(self) -> None:
        """Restore the owner's values of both parameters, if they have ours, and wait until they are in effect.

        Raises:
            TimedOut: they did not take effect.
        """
        self._parameters.put_back()

    @property
    def _parameters(self) -> TemporaryParameters:
        return TemporaryParameters(
            RELAXED,
            "its durability",
            self.groups,
            self.group,
            self.owner_group,
            self.session,
            self.progress,
        )

    def _relax(self) -> list[str]:
        """Set our values where the present ones are fully durable, and where the owner's can be restored exactly."""
        present = self.groups.user_values(self.group)
        with self.session() as session:
            live = _live(session)
        names = [
            name
            for name in RELAXED
            if live[name] == _DURABLE
            and present.get(name, (_DURABLE, "immediate")) == (_DURABLE, "immediate")
        ]
        if names:
            self.groups.set_now(self.group, {name: RELAXED[name] for name in names})
        return names


def less_durable(session: Session, owner: Owner) -> list[str]:
    """Return our values that are in effect although the owner has others, as clauses."""
    return left_behind(session, RELAXED, owner, default=_DURABLE)


def crash_safe(session: Session) -> bool:
    """Whether a server resumes after a crash exactly where it stopped executing.

    It must write the position with the data, in InnoDB; fetch again what it had fetched; and parallel appliers must commit in the
    source's order, or a crash leaves gaps. RDS's defaults do so; a group of the owner's may not.
    """
    values = variables(session, *_SAFE, *_APPLIERS, *_ORDER)
    in_order = all(int(values.get(name, 0)) <= 1 for name in _APPLIERS) or any(
        values.get(name) == "ON" for name in _ORDER
    )
    # A version without one of these variables always behaves this way.
    return in_order and all(values.get(name, safe) == safe for name, safe in _SAFE.items())


_SAFE = {"relay_log_recovery": "ON", "relay_log_info_repository": "TABLE"}
_APPLIERS = ("slave_parallel_workers", "replica_parallel_workers")
_ORDER = ("slave_preserve_commit_order", "replica_preserve_commit_order")


def _live(session: Session) -> dict[str, str]:
    return variables(session, *RELAXED)
