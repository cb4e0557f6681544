"""The log of a cutover or rollback: a JSON file that is written at each moment, so that a killed run leaves it behind.

A run that goes on from an interrupted one takes over its moments; one that begins anew keeps the former attempt in ``earlier``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from rds_encrypt.cutover.briefing import concerns
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.protocol import Outcome
from rds_encrypt.cutover.timeline import CheckResult, Moment, moments_from, outage
from rds_encrypt.reports.files import Files

__all__ = ["Ending", "Logbook", "suffix_of"]

_KEPT = 20
"""Earlier attempts that a file remembers."""
_BEFORE_THE_CUTOVER = (Moment.FENCED, Moment.DRAINED, Moment.PROMOTED, Moment.CUTOVER_BEGAN)


class Ending(StrEnum):
    """How an attempt ended."""

    RUNNING = "running"
    """It has not, or it was killed."""
    ABORTED = "aborted"
    """Called off before the names moved: undone."""
    UNFINISHED = "unfinished"
    """It failed after the names had begun to move: the next run goes on."""
    COMPLETE = "complete"


def suffix_of(verb: str) -> str:
    """Return how the log of that direction is called: ``cutover.json`` or ``rollback.json``."""
    return f"{verb.replace('-', '')}.json"


class Logbook:
    """Writes down one attempt at a context.

    Args:
        context: where it takes place; its timeline is what is written down.
        files: the source's files.
        before: moments of an earlier step that belong to it, such as a fence that has been closed for long.
        sentence: puts a failure into words that may be written down.
    """

    def __init__(
        self,
        context: CutoverContext,
        files: Files,
        before: Mapping[str, str],
        sentence: Callable[[BaseException], str],
    ) -> None:
        self._site = context
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
        """Note how what happens in the ``with`` block ends, if that is a failure."""
        self._write()
        try:
            yield
        except BaseException as error:
            moving = Moment.CUTOVER_BEGAN in self._site.timeline.moments
            self._end(Ending.UNFINISHED if moving else Ending.ABORTED, error=self._sentence(error))
            raise

    def complete(self, outcome: Outcome) -> None:
        """Note what a cutover found at its end."""
        self._end(
            Ending.COMPLETE,
            server_uuid=outcome.server_uuid,
            final_coordinates=outcome.final,
            unenabled_events=list(outcome.unenabled_events),
            forced_checks=list(outcome.forced),
            rollback_path=outcome.rollback_path,
            warnings=list(outcome.warnings),
        )

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._files.path(self._suffix)

    @property
    def content(self) -> dict[str, Any]:
        """What the file holds."""
        context, timeline = self._site, self._site.timeline
        refused = outage(timeline.moments)
        return {
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
                    "forced": check.name in context.forced,
                }
                for check in timeline.checks
                if concerns(context, check.name)
            ],
            "earlier": self._earlier,
        }

    def _end(self, ending: Ending, **found: Any) -> None:
        ended = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._result = {"outcome": str(ending), "ended": ended, **found}
        self._write()

    def _write(self) -> None:
        self._files.write_json(self._suffix, self.content)

    def _take_up(self, former: dict[str, Any] | None) -> None:
        """Go on with the attempt that the journal says is under way; keep one that is over as an earlier one."""
        known = self._journalled()
        try:
            if former is not None and known and self._is_under_way(former, known[Moment.CUTOVER_BEGAN]):
                self._go_on_with(former)
            elif former is not None:
                self._earlier = [*former.pop("earlier", []), former][-_KEPT:]
        except (KeyError, TypeError, ValueError) as error:
            # Changed by hand, or by another version: that is no reason to keep a cutover from going on.
            self._files.warn(f"{self.path} is not understood ({error!r}) and is begun anew")
        # The tags know them to the second, if no file does.
        self._site.timeline.resume(known)

    def _go_on_with(self, former: Mapping[str, Any]) -> None:
        moments, began = moments_from(former["moments"]), datetime.fromisoformat(former["began"])
        checks = [CheckResult(check["name"], check["green"], check["saw"]) for check in former["guards"]]
        self._site.timeline.resume(moments)
        self._site.timeline.read(checks)
        self._began, self._earlier = began, list(former["earlier"])

    def _journalled(self) -> dict[Moment, datetime]:
        """Return what the tags say of a cutover that was begun."""
        direction, tags = self._site.direction, self._site.encrypted().tags
        if not direction.begun(tags):
            return {}
        keys = {Moment.CUTOVER_BEGAN: direction.point, Moment.OPEN: direction.marked}
        found = {moment: datetime.fromisoformat(tags[key]) for moment, key in keys.items() if key in tags}
        # `marked` may be from the time before a way there and back.
        return {moment: when for moment, when in found.items() if when >= found[Moment.CUTOVER_BEGAN]}

    def _is_under_way(self, former: Mapping[str, Any], point: datetime) -> bool:
        """Whether a file speaks of the cutover that began to move at ``point``: the same instances, moments just before it."""
        direction = self._site.direction
        if (former.get("losing"), former.get("winning")) != (direction.primary_id, direction.candidate_id):
            return False
        moments = moments_from(former.get("moments") or {})
        last = max((when for moment, when in moments.items() if moment in _BEFORE_THE_CUTOVER), default=None)
        margin = timedelta(seconds=self._site.limits.write_outage)
        return last is not None and abs(last - point) <= margin
