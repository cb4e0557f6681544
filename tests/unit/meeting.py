"""A step that is done once a given number of its kind are under way at the same time, in one process."""

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
    """Inputs: ``number``, which one this is, and ``of``, how many there are."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait until all are here.

        Raises:
            BrokenBarrierError: the others did not come in time.
        """
        parties = int(props["of"])
        with _making:
            barrier = _barriers.setdefault(parties, threading.Barrier(parties))
        barrier.wait(_PATIENCE)
        return CreateResult(str(int(props["number"])), {})
