"""Durability of the encrypted instance: relaxed while it is far behind, so that it catches up faster, and put back before it matters.

Two parameters say that each commit is flushed to disk, in InnoDB's log and in the binlog. They are changed in the group that only
the encrypted instance uses, never in the owner's. What is to be put back is not remembered: the owner's group says it, so that
whoever comes after a run that was killed finds it by looking. Why that is safe: docs/decisions/0013-durability-while-catching-up.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from controlplane.parameter_groups import ParameterGroups
from foundation.waiting import Progress, Wait, silent, until
from replication.session import Session

__all__ = ["RELAXED", "Durability", "crash_safe", "less_durable"]

RELAXED: Mapping[str, str] = {"innodb_flush_log_at_trx_commit": "2", "sync_binlog": "1000"}
"""InnoDB's log is flushed once a second instead of at each commit, the binlog once in a thousand commits."""

_DURABLE = "1"
"""MySQL's and RDS's default of both: flushed at each commit."""
_IN_EFFECT = 600.0

Owner = Mapping[str, tuple[str, str]]
"""What a user set in a parameter group: name → (value, apply method)."""


@dataclass(frozen=True)
class Durability:
    """The two parameters of one encrypted instance.

    Attributes:
        group: the parameter group that only it uses.
        owner_group: the source's, which says what they are otherwise.
        session: opens a session on it; a fresh one for each look, since a lost one may be what brings us here.
    """

    groups: ParameterGroups
    group: str
    owner_group: str
    session: Callable[[], AbstractContextManager[Session]]
    progress: Progress = silent

    @contextmanager
    def relaxed(self) -> Iterator[list[str]]:
        """Relax what may be relaxed for the length of a ``with`` block, and give the names of what was.

        Raises:
            BaseExceptionGroup: the block failed, and so did putting them back; both causes are in it.
        """
        try:
            yield self._relax()
        except BaseException as cause:
            try:
                self.put_back()
            except Exception as failure:  # noqa: BLE001 - both causes are raised, whatever they are
                raise BaseExceptionGroup(
                    "catching up failed, and so did putting the durability back", [cause, failure]
                ) from cause
            raise
        self.put_back()

    def put_back(self) -> None:
        """Give both parameters the owner's values again, if they have ours, and see them in effect.

        Raises:
            TimedOut: they did not take effect.
        """
        present = self.groups.user_values(self.group)
        ours = [name for name, value in RELAXED.items() if present.get(name, ("",))[0] == value]
        owner = self.groups.user_values(self.owner_group) if ours else {}
        changed = [name for name in ours if present[name][0] != owner.get(name, ("",))[0]]
        if not changed:
            return
        self.progress("putting its durability back")
        if reset := [name for name in changed if name not in owner]:
            self.groups.reset_now(self.group, reset)
        if own := {name: owner[name][0] for name in changed if name in owner}:
            self.groups.set_now(self.group, own)
        with self.session() as session:
            until(
                Wait(
                    f"{', '.join(changed)} to be put back on {session.endpoint}",
                    deadline=_IN_EFFECT,
                    first=0.2,
                    longest=5.0,
                    advice=f"Look at parameter group {self.group} and its instance, then run `pulumi up` again",
                ),
                lambda: less_durable(session, owner),
                done=lambda left: not left,
                describe=", ".join,
                progress=self.progress,
            )

    def _relax(self) -> list[str]:
        """Ask for our values where both are as durable as can be, and where the owner's can be put back exactly."""
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
    """Return those of our values that are in effect though the owner has others, as clauses."""
    return [
        f"{name} is {value}, not {owner.get(name, (_DURABLE,))[0]}"
        for name, value in _live(session).items()
        if value == RELAXED[name] != owner.get(name, (_DURABLE,))[0]
    ]


def crash_safe(session: Session) -> bool:
    """Whether a server that crashes goes on from what it has executed, and not from before or beyond it.

    The position must be written with the data, in InnoDB; what was fetched must be fetched anew; and several appliers must commit
    in the source's order, or what a crash leaves has gaps. RDS has it so; a group of the owner's may not.
    """
    found = _variables(session, *_SAFE, *_APPLIERS, *_ORDER)
    in_order = all(int(found.get(name, 0)) <= 1 for name in _APPLIERS) or any(
        found.get(name) == "ON" for name in _ORDER
    )
    # Those that a version does not have any more have become its only way.
    return in_order and all(found.get(name, wanted) == wanted for name, wanted in _SAFE.items())


_SAFE = {"relay_log_recovery": "ON", "relay_log_info_repository": "TABLE"}
_APPLIERS = ("slave_parallel_workers", "replica_parallel_workers")
_ORDER = ("slave_preserve_commit_order", "replica_preserve_commit_order")


def _live(session: Session) -> dict[str, str]:
    return _variables(session, *RELAXED)


def _variables(session: Session, *names: str) -> dict[str, str]:
    rows = session.rows(
        f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(['%s'] * len(names))})", *names
    )
    return {str(row["Variable_name"]): str(row["Value"]) for row in rows}
