"""The log of a cut-over or rollback: a JSON file that is written at each moment, so that a killed run leaves it behind.

A run that goes on from an interrupted one takes over its moments; one that begins anew keeps the former attempt in ``earlier``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from migration.cutover.briefing import concerns
from migration.cutover.protocol import Outcome
from migration.cutover.site import Site
from migration.cutover.timeline import GuardReading, Moment, moments_from, outage
from migration.records.files import Files

__all__ = ["Ending", "Logbook", "suffix_of"]

_KEPT = 20
"""Earlier attempts that a file remembers."""
_BEFORE_THE_SWAP = (Moment.FENCED, Moment.DRAINED, Moment.PROMOTED, Moment.SWAP_BEGAN)


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
    """Writes down one attempt at a site.

    Args:
        site: where it takes place; its timeline is what is written down.
        files: the source's files.
        before: moments of an earlier step that belong to it, such as a fence that has been closed for long.
        sentence: puts a failure into words that may be written down.
    """

    def __init__(
        self, site: Site, files: Files, before: Mapping[str, str], sentence: Callable[[BaseException], str]
    ) -> None:
        self._site = site
        self._files = files
        self._sentence = sentence
        self._suffix = suffix_of(site.course.verb)
        self._began = datetime.now(UTC)
        self._result: dict[str, Any] = {"outcome": str(Ending.RUNNING)}
        self._earlier: list[dict[str, Any]] = []
        site.timeline.resume(moments_from(before))
        self._take_up(files.read_json(self._suffix))
        site.timeline.watch(self._write)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Note how what happens in the ``with`` block ends, if that is a failure."""
        self._write()
        try:
            yield
        except BaseException as error:
            moving = Moment.SWAP_BEGAN in self._site.timeline.moments
            self._end(Ending.UNFINISHED if moving else Ending.ABORTED, error=self._sentence(error))
            raise

    def complete(self, outcome: Outcome) -> None:
        """Note what a swap found at its end."""
        self._end(
            Ending.COMPLETE,
            server_uuid=outcome.server_uuid,
            final_coordinates=outcome.final,
            unenabled_events=list(outcome.unenabled_events),
            forced_guards=list(outcome.forced),
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
        site, timeline = self._site, self._site.timeline
        refused = outage(timeline.moments)
        return {
            "identifier": site.names.source,
            "verb": site.course.verb,
            **self._result,
            "began": self._began.isoformat(timespec="milliseconds"),
            "moments": timeline.as_outputs(),
            "write_outage": refused.as_outputs() if refused else None,
            "mode": "replicate" if site.snapshot_coordinates is None else "snapshot",
            "losing": site.course.losing_id,
            "winning": site.course.winning_id,
            "guards": [
                {**asdict(guard), "forced": guard.name in site.forced}
                for guard in timeline.guards
                if concerns(site, guard.name)
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
            if former is not None and known and self._is_under_way(former, known[Moment.SWAP_BEGAN]):
                self._go_on_with(former)
            elif former is not None:
                self._earlier = [*former.pop("earlier", []), former][-_KEPT:]
        except (KeyError, TypeError, ValueError) as error:
            # Changed by hand, or by another version: that is no reason to keep a cut-over from going on.
            self._files.warn(f"{self.path} is not understood ({error!r}) and is begun anew")
        # The tags know them to the second, if no file does.
        self._site.timeline.resume(known)

    def _go_on_with(self, former: Mapping[str, Any]) -> None:
        moments, began = moments_from(former["moments"]), datetime.fromisoformat(former["began"])
        guards = [GuardReading(guard["name"], guard["green"], guard["saw"]) for guard in former["guards"]]
        self._site.timeline.resume(moments)
        self._site.timeline.read(guards)
        self._began, self._earlier = began, list(former["earlier"])

    def _journalled(self) -> dict[Moment, datetime]:
        """Return what the tags say of a swap that was begun."""
        course, tags = self._site.course, self._site.encrypted().tags
        if not course.begun(tags):
            return {}
        keys = {Moment.SWAP_BEGAN: course.point, Moment.OPEN: course.marked}
        found = {moment: datetime.fromisoformat(tags[key]) for moment, key in keys.items() if key in tags}
        # `marked` may be from the time before a way there and back.
        return {moment: when for moment, when in found.items() if when >= found[Moment.SWAP_BEGAN]}

    def _is_under_way(self, former: Mapping[str, Any], point: datetime) -> bool:
        """Whether a file speaks of the swap that began to move at ``point``: the same instances, moments just before it."""
        course = self._site.course
        if (former.get("losing"), former.get("winning")) != (course.losing_id, course.winning_id):
            return False
        moments = moments_from(former.get("moments") or {})
        last = max((when for moment, when in moments.items() if moment in _BEFORE_THE_SWAP), default=None)
        margin = timedelta(seconds=self._site.limits.write_outage)
        return last is not None and abs(last - point) <= margin
