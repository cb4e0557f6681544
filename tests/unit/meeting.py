"""A step that is done when so many of its kind are under way at the same time, in one process."""

from __future__ import annotations

import threading
from typing import Any

from pulumi.dynamic import CreateResult

from providers.arguments import StepArgs
from providers.step import Step

__all__ = ["Meeting"]

_PATIENCE = 20.0
_barriers: dict[int, threading.Barrier] = {}
_making = threading.Lock()


class Meeting(Step[StepArgs]):
    """Inputs: ``number`` of this one, and ``of`` how many."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait until all are here.

        Raises:
            BrokenBarrierError: they did not come.
        """
        parties = int(props["of"])
        with _making:
            barrier = _barriers.setdefault(parties, threading.Barrier(parties))
        barrier.wait(_PATIENCE)
        return CreateResult(str(int(props["number"])), {})
