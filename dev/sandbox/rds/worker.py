"""The worker of one resource: a thread that performs its transitions one after another."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from dev.sandbox.rds.clock import Closing

__all__ = ["Worker"]

_log = logging.getLogger(__name__)
Job = Callable[[], None]


class Worker:
    """Runs jobs in the order in which they were given; a job's failure goes to `failed` and to the log."""

    def __init__(self, name: str, failed: Callable[[Exception], None] | None = None) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self._jobs.put(job)

    def finish(self) -> None:
        """Let the thread end once the jobs before this moment are done."""
        self._jobs.put(None)

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Closing:
                return
            except Exception as error:  # noqa: BLE001  (the failure is the resource's: the worker goes on)
                _log.exception("A transition of %s failed", self._thread.name)
                if self._failed is not None:
                    self._failed(error)
