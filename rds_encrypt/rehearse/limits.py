"""How long RDS may take for something before a fact counts as answered differently, in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """The limits for real RDS.

    Attributes:
        rename: a rename.
        old_name: until the old name stops answering, after the status has changed; a client may cache it for 5 s.
        read_only: until `read_only` takes effect.
        start_or_stop: a call that starts or stops replication: its pauses take 3 s.
        reset: a call that resets replication: at once, or 2 s if it has to stop it.
    """

    rename: float = 600.0
    old_name: float = 15.0
    read_only: float = 10.0
    start_or_stop: float = 10.0
    reset: float = 10.0

    def with_changes(self, changes: Iterable[str]) -> Limits:
        """Return the limits with some replaced, each given as ``name=seconds``.

        Raises:
            ValueError: there is no such limit, or it is not a number.
        """
        known = {field.name for field in fields(self)}
        limits = self
        for change in changes:
            name, _, seconds = change.partition("=")
            if name not in known:
                raise ValueError(f"there is no limit {name!r}; there are {', '.join(sorted(known))}")
            limits = replace(limits, **{name: float(seconds)})
        return limits
