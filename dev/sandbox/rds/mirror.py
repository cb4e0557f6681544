"""Eventual consistency: a description of the instances that is as old as a fault makes it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Mirror"]

_EVERY = 0.05
_KEPT = 60.0

Seen = list[tuple[dict[str, Any], bool]]
"""Each instance's description, and whether its name answers at that moment."""
Look = Callable[[], Seen]


class Mirror:
    """Keeps what there was to see in the last moments, from when it is first asked for."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Seen]] = deque(maxlen=int(_KEPT / _EVERY))
        self._lock = threading.Lock()
        self._watching = False
        self._age = 0.0

    def lag(self, seconds: float, look: Look) -> None:
        """From now on, answer with what there was to see so many seconds ago; 0 ends it."""
        with self._lock:
            self._age = seconds
            if seconds and not self._watching:
                self._watching = True
                self._kept.clear()
                self._kept.append((time.monotonic(), look()))
                threading.Thread(target=self._watch, args=(look,), daemon=True).start()

    def seen(self, look: Look) -> Seen:
        """Return the newest view that is old enough; the oldest one, while none is."""
        if not self._age:
            return look()
        until = time.monotonic() - self._age
        with self._lock:
            old_enough = [view for when, view in self._kept if when <= until]
            return old_enough[-1] if old_enough else self._kept[0][1]

    def _watch(self, look: Look) -> None:
        while True:
            view = look()
            with self._lock:
                # Decided where `lag` decides whether to start another: none would start in between.
                if not self._age:
                    self._watching = False
                    return
                self._kept.append((time.monotonic(), view))
            time.sleep(_EVERY)
