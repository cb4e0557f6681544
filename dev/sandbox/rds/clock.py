"""The time model: how long each transition of a resource lasts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["PROFILES", "Closing", "TimeModel", "now"]

# Seconds. `notice` is how long a describe still says `available` after a Modify was accepted; `away` is the part of a
# rename in which neither name answers; `recovery` is how long RDS needs to see that a server process has died; `purge` is how
# often it removes binary logs that nothing holds; `heartbeat` is how often it writes into the binary log of an instance, and
# `agent` how long after the start of a server it resumes replication.
# `configure` is one of the states around the first `available`; `settle` is how long after it Modify and Reboot are refused;
# `unmark` is how long a restored instance still counts as a read replica; `optimize` is the storage optimization after growth,
# and `regrow` is AWS's six hours between two changes of storage; `initialize` is how long a restored instance says
# `storage-initialization` instead of `available`.
# `read_only` is how long a change of that parameter takes beside `apply`, and `unheard` how long a rename passes through a status that
# AWS does not document: both are 0 on RDS, as far as is known.
PROFILES: Mapping[str, Mapping[str, float]] = {
    "fast": {
        "notice": 0.15, "create": 0.3, "replica": 0.3, "backup": 0.25, "restore": 0.4, "snapshot": 0.3, "copy": 0.4,
        "modify": 0.25, "away": 0.3, "rename": 0.3, "reboot": 0.2, "stop": 0.2, "start": 0.2, "delete": 0.3,
        "apply": 0.1, "promote": 0.25, "recovery": 1.0, "hydrate": 0.5, "purge": 5, "configure": 0.05, "settle": 0,
        "unmark": 0, "optimize": 1.0, "regrow": 1.0, "initialize": 0, "heartbeat": 3, "agent": 0.5,
        "read_only": 0, "unheard": 0,
    },
    "realistic": {
        "notice": 5, "create": 300, "replica": 360, "backup": 60, "restore": 480, "snapshot": 120, "copy": 240,
        "modify": 60, "away": 65, "rename": 20, "reboot": 30, "stop": 180, "start": 240, "delete": 180,
        "apply": 10, "promote": 120, "recovery": 30, "hydrate": 600, "purge": 300, "configure": 10, "settle": 15,
        "unmark": 10, "optimize": 900, "regrow": 21600, "initialize": 0, "heartbeat": 300, "agent": 3,
        "read_only": 0, "unheard": 0,
    },
}  # fmt: skip


_TIMES = {"paced": "fast"}
"""A profile with the times of another: `paced` is `fast` with the real pauses of RDS's procedures, for measuring an outage."""
_SHORTENED = "fast"
"""The profile in which RDS's procedures pause only as long as their outcome needs it."""


_UNSCALED = {"agent"}
"""What a factor does not stretch: it belongs to the start of a server, which takes the time that it takes."""


class Closing(Exception):
    """Raised out of a pause when the sandbox stops."""


@dataclass(frozen=True)
class TimeModel:
    """Durations by name, times a factor, unless a test has set one; pauses end early when the sandbox stops."""

    profile: str = "fast"
    factor: float = 1.0
    closing: threading.Event = field(default_factory=threading.Event)
    overrides: dict[str, float] = field(default_factory=dict)

    def seconds(self, what: str) -> float:
        if what in self.overrides:
            return self.overrides[what]
        return self._times[what] * (1 if what in _UNSCALED else self.factor)

    @property
    def real_pauses(self) -> bool:
        """Whether RDS's procedures pause as long as on RDS; the factor does not change them."""
        return self.profile != _SHORTENED

    @property
    def _times(self) -> Mapping[str, float]:
        return PROFILES[_TIMES.get(self.profile, self.profile)]

    def override(self, what: str, seconds: float) -> None:
        """Let one kind of transition last that long until the overrides are cleared."""
        if what not in self._times:
            raise LookupError(f"There is no duration {what!r}: {', '.join(self._times)} are known.")
        self.overrides[what] = seconds

    def pause(self, what: str) -> None:
        """Let a transition last as long as the model says."""
        self.sleep(self.seconds(what))

    def sleep(self, seconds: float) -> None:
        if self.closing.wait(seconds):
            raise Closing


def now() -> datetime:
    return datetime.now(UTC)
