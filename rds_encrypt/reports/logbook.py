"""The log of a cutover or rollback: a JSON file, written at each moment, so that it survives a killed run.

A run that resumes an interrupted one takes over its moments; one that starts over keeps the former attempt in ``earlier``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.protocol import Outcome
from rds_encrypt.cutover.timeline import CheckResult, Moment, moments_from, outage
from rds_encrypt.reports.files import Files
from rds_encrypt.state import state_of
from rds_encrypt.version import VERSION

__all__ = ["Ending", "Logbook", "suffix_of"]

_KEPT = 20
"""Earlier attempts that a file keeps."""
_BEFORE_THE_CUTOVER = (Moment.FENCED, Moment.DRAINED, Moment.PROMOTED, Moment.CUTOVER_BEGAN)


class Ending(StrEnum):
    """How an attempt ended."""

    RUNNING = "running"
    """It has not ended, or it was killed."""
    ABORTED = "aborted"
    """It failed before the names moved, and was undone."""
    UNFINISHED = "unfinished"
    """It failed after the names had begun to move: the next run resumes it."""
    COMPLETE = "complete"


def suffix_of(verb: str) -> str:
    """Return the suffix of that direction's log: ``cutover.json`` or ``rollback.json``."""
    return f"{verb}.json"


class Logbook:
    """Records one attempt at a cutover or rollback.

    Args:
        context: the attempt's context, whose timeline is recorded.
        files: the source's files.
        before: moments of an earlier step that belong to it, such as a fence closed long before.
        sentence: describes a failure in words that may be stored.
    """

    def __init__(
        self,
        context: CutoverContext,
        files: Files,
        before: Mapping[str, str],
        sentence: Callable[[BaseException], str],
    ) -> None:
        self._context = context
        self._files = files
        self._sentence = sentence
        self._suffix = suffix_of(context.direction.verb)
        self._began = datetime.now(UTC)
        self._result: dict[str, Any] = {"outcome": str(Ending.RUNNING)}
        self._earlier: list[dict[str, Any]] = []
        context.timeline.resume(moments_from(before))
        self._take_up(files.read_json(self._suffix))
        context.timeline.watch(self._write)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Record a failure of the ``with`` block."""
        self._write()
        try:
            yield
        except BaseException as error:
            moving = Moment.CUTOVER_BEGAN in self._context.timeline.moments
            self._end(Ending.UNFINISHED if moving else Ending.ABORTED, error=self._sentence(error))
            raise

    def complete(self, outcome: Outcome) -> None:
        """Record the outcome of a complete cutover."""
        self._end(
            Ending.COMPLETE,
            server_uuid=outcome.server_uuid,
            final_coordinates=outcome.final,
            unenabled_events=list(outcome.unenabled_events),
            forced_checks=list(outcome.accepted),
            rollback_path=outcome.rollback_path,
            warnings=list(outcome.warnings),
        )

    @property
    def path(self) -> Path:
        """The file's path."""
        return self._files.path(self._suffix)

    @property
    def content(self) -> dict[str, Any]:
        """The file's content."""
        context, timeline = self._context, self._context.timeline
        refused = outage(timeline.moments)
        return {
            "version": VERSION,
            "identifier": context.names.source,
            "verb": context.direction.verb,
            **self._result,
            "began": self._began.isoformat(timespec="milliseconds"),
            "moments": timeline.as_outputs(),
            "write_outage": refused.as_outputs() if refused else None,
            "mode": "replicate" if context.snapshot_coordinates is None else "snapshot",
            "losing": context.direction.primary_id,
            "winning": context.direction.candidate_id,
            "guards": [
                {
                    "name": check.name,
                    "green": check.passed,
                    "saw": check.saw,
                    "forced": check.name in context.accept,
                    "accepted": context.accept.get(check.name),
                }
                for check in timeline.checks
            ],
            "earlier": self._earlier,
        }

    def _end(self, ending: Ending, **details: Any) -> None:
        ended = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._result = {"outcome": str(ending), "ended": ended, **details}
        self._write()

    def _write(self) -> None:
        self._files.write_json(self._suffix, self.content)

    def _take_up(self, former: dict[str, Any] | None) -> None:
        """Resume the attempt that is under way by the journal; keep a finished one as an earlier attempt."""
        known = self._journalled()
        try:
            if former is not None and known and self._is_under_way(former, known[Moment.CUTOVER_BEGAN]):
                self._go_on_with(former)
            elif former is not None:
                self._earlier = [*former.pop("earlier", []), former][-_KEPT:]
        except (KeyError, TypeError, ValueError) as error:
            # Changed by hand, or by another version: that must not stop a cutover.
            self._files.warn(f"cannot parse {self.path} ({error!r}); starting a new log")
        # Without a file, the tags still have them, to the second.
        self._context.timeline.resume(known)

    def _go_on_with(self, former: Mapping[str, Any]) -> None:
        moments, began = moments_from(former["moments"]), datetime.fromisoformat(former["began"])
        checks = [CheckResult(check["name"], check["green"], check["saw"]) for check in former["guards"]]
        self._context.timeline.resume(moments)
        self._context.timeline.read(checks)
        self._began, self._earlier = began, list(former["earlier"])

    def _journalled(self) -> dict[Moment, datetime]:
        """Return the moments in the tags of a cutover that has begun."""
        direction, state = self._context.direction, state_of(encrypted=self._context.encrypted())
        if not direction.begun(state):
            return {}
        moments = {moment: datetime.fromisoformat(when) for moment, when in direction.moments(state).items()}
        # `marked` may date from before an earlier cutover and rollback.
        return {moment: when for moment, when in moments.items() if when >= moments[Moment.CUTOVER_BEGAN]}

    def _is_under_way(self, former: Mapping[str, Any], point: datetime) -> bool:
        """Whether a file describes the cutover that began to move names at ``point``: the same instances, moments just before."""
        direction = self._context.direction
        if (former.get("losing"), former.get("winning")) != (direction.primary_id, direction.candidate_id):
            return False
        moments = moments_from(former.get("moments") or {})
        last = max((when for moment, when in moments.items() if moment in _BEFORE_THE_CUTOVER), default=None)
        margin = timedelta(seconds=self._context.settings.max_write_outage)
        return last is not None and abs(last - point) <= margin
