"""Tags that this process has just written, which AWS's descriptions may not show yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

__all__ = ["RecentTags"]

_LATE = 60.0
"""Seconds after which AWS's description always counts. AWS does not document how late it can be."""


@dataclass(frozen=True)
class _Written:
    before: str | None
    now: str | None
    when: float


class RecentTags:
    """The tags written or removed, by DbiResourceId, for as long as AWS still describes their former values.

    A third value comes from another writer, and counts immediately.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._written: dict[str, dict[str, _Written]] = {}

    def note(self, resource_id: str, before: Mapping[str, str], tags: Mapping[str, str | None]) -> None:
        """Record tags that AWS has accepted, and those that it described ``before``; ``None`` stands for a removed tag."""
        with self._lock:
            of_this = self._written.setdefault(resource_id, {})
            of_this.update(
                {key: _Written(before.get(key), value, self._clock()) for key, value in tags.items()}
            )

    def applied_to(self, description: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the description with the tags as written, until AWS's own description has caught up."""
        resource_id = description.get("DbiResourceId", "")
        if resource_id not in self._written:
            return description
        tags: dict[str, str] = {tag["Key"]: tag["Value"] for tag in description.get("TagList", [])}
        with self._lock:
            of_this = self._written.get(resource_id, {})
            for key, written in list(of_this.items()):
                if tags.get(key) != written.before or self._clock() - written.when > _LATE:
                    del of_this[key]
                elif written.now is None:
                    tags.pop(key, None)
                else:
                    tags[key] = written.now
            if not of_this:
                self._written.pop(resource_id, None)
        return {**description, "TagList": [{"Key": key, "Value": value} for key, value in tags.items()]}
