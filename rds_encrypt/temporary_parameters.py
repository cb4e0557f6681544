"""Changes parameters of the encrypted instance temporarily, and restores the owner's values afterwards.

It changes them in the group that only the encrypted instance uses, never in the owner's. It stores no previous values: the owner's
group has them, so that the run after a killed one finds them there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.waiting import Progress, Wait, silent, until
from rds_encrypt.mysql.session import Session

__all__ = ["Owner", "TemporaryParameters", "left_behind", "variables"]

_IN_EFFECT = 600.0

Owner = Mapping[str, tuple[str, str]]
"""The user's values in a parameter group: name → (value, apply method)."""


@dataclass(frozen=True)
class TemporaryParameters:
    """Dynamic parameters of one encrypted instance.

    Attributes:
        values: the temporary values; nothing else in the group counts as ours.
        called: their common name, for a sentence such as "restoring its durability".
        group: the parameter group that only the instance uses.
        owner_group: the source's, which has the owner's values.
        session: opens a session on it; a fresh one for each poll, since a lost session may be why the values are restored.
    """

    values: Mapping[str, str]
    called: str
    groups: ParameterGroups
    group: str
    owner_group: str
    session: Callable[[], AbstractContextManager[Session]]
    progress: Progress = silent

    @contextmanager
    def changed(self, change: Callable[[], Sequence[str]], during: str) -> Iterator[list[str]]:
        """Call ``change`` for a ``with`` block, and yield the names of the parameters that it changed.

        Raises:
            BaseExceptionGroup: the block failed, and so did restoring the values; it has both causes.
        """
        try:
            yield list(change())
        except BaseException as cause:
            try:
                self.put_back()
            except Exception as failure:  # noqa: BLE001 - both causes are raised, of any kind
                raise BaseExceptionGroup(
                    f"{during} failed, and so did restoring {self.called}", [cause, failure]
                ) from cause
            raise
        self.put_back()

    def put_back(self) -> None:
        """Restore the owner's values of parameters that have ours, and wait until they are in effect.

        Raises:
            TimedOut: they did not take effect.
        """
        present = self.groups.user_values(self.group)
        ours = [name for name, value in self.values.items() if present.get(name, ("",))[0] == value]
        owner = self.groups.user_values(self.owner_group) if ours else {}
        changed = [name for name in ours if present[name][0] != owner.get(name, ("",))[0]]
        if not changed:
            return
        self.progress(f"restoring {self.called}")
        if reset := [name for name in changed if name not in owner]:
            self.groups.reset_now(self.group, reset)
        if own := {name: owner[name] for name in changed if name in owner}:
            self.groups.set_now(self.group, {name: value for name, (value, _) in own.items()})
        with self.session() as session:
            until(
                Wait(
                    f"{', '.join(changed)} to be restored on {session.endpoint}",
                    deadline=_IN_EFFECT,
                    first=0.2,
                    longest=5.0,
                    advice=f"Look at parameter group {self.group} and its instance, then run `pulumi up` again",
                ),
                lambda: left_behind(session, self.values, owner),
                done=lambda left: not left,
                describe=", ".join,
                progress=self.progress,
            )
        # In effect by now; what remains is the owner's apply method.
        if later := {name: entry for name, entry in own.items() if entry[1] != "immediate"}:
            self.groups.set_as(self.group, later)


def left_behind(
    session: Session, values: Mapping[str, str], owner: Owner, default: str = "the default"
) -> list[str]:
    """Return our values that are in effect although the owner has others, as clauses."""
    return [
        f"{name} is {value}, not {owner.get(name, (default,))[0]}"
        for name, value in variables(session, *values).items()
        if value == values[name] != owner.get(name, ("",))[0]
    ]


def variables(session: Session, *names: str) -> dict[str, str]:
    """Return the global values of the variables that the server has."""
    rows = session.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN %s", names)
    return {str(row["Variable_name"]): str(row["Value"]) for row in rows}
