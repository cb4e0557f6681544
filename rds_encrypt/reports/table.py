"""The timeline as a table for a terminal, with a sentence on the write outage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rds_encrypt.core.words import duration, utc
from rds_encrypt.cutover.timeline import Moment, moments_from
from rds_encrypt.reports.logbook import Ending

__all__ = ["WORDS", "summary", "table"]

WORDS: Mapping[Moment, str] = {
    Moment.FENCE_REQUESTED: "fence requested",
    Moment.FENCED: "fenced: writes are refused",
    Moment.DRAINED: "drained: both have the last write",
    Moment.CHECKED: "checked: the newest rows match",
    Moment.PROMOTED: "promoted",
    Moment.CUTOVER_BEGAN: "names or applications begin to move",
    Moment.FIRST_RENAMED: "first rename complete",
    Moment.SECOND_RENAMED: "second rename complete",
    Moment.APPLICATIONS_MOVED: "applications moved",
    Moment.OPEN: "open: the first write is possible",
    Moment.ROLLBACK_PATH_OPEN: "rollback path open",
    Moment.FENCE_LIFTED: "fence lifted: writes are accepted again",
}


def table(log: Mapping[str, Any]) -> str:
    """Return a log as lines of at most 80 columns, except for sentences."""
    moments = moments_from(log["moments"])
    lines = [f"{str(log['verb']).capitalize()} of {log['identifier']}: {log['outcome']}"]
    if moments:
        start = next(iter(moments.values()))
        wide = max(len(WORDS[moment]) for moment in moments)
        lines += ["", f"  {'moment':<{wide}} {'UTC':<23} {'after':>10}"]
        lines += [
            f"  {WORDS[moment]:<{wide}} {utc(when)} {_after(start, when):>10}"
            for moment, when in moments.items()
        ]
    return "\n".join([*lines, "", summary(log)])


def summary(log: Mapping[str, Any]) -> str:
    """Return the write outage as a sentence."""
    moments, refused = moments_from(log["moments"]), log["write_outage"]
    if refused is not None:
        total, renames = duration(refused["at_most"]), duration(refused["renames"])
        share = f", of which AWS's renames took {renames}" if refused["renames"] else ""
        return f"Writes were refused for {total} at most{share}."
    if Moment.CUTOVER_BEGAN in moments and Moment.FENCE_REQUESTED not in moments:
        return (
            "The length of the write outage is unknown: the run that closed the fence was interrupted,"
            " and its log is not here."
        )
    if Moment.FENCE_REQUESTED in moments:
        asked = f"Writes have been refused since {utc(moments[Moment.FENCE_REQUESTED])} UTC"
        goes_on = log["mode"] == "snapshot" or log["outcome"] in {Ending.UNFINISHED, Ending.RUNNING}
        return f"{asked}{': run `pulumi up` again to continue' if goes_on else ''}."
    return "Writes were never refused."


def _after(start: datetime, when: datetime) -> str:
    return f"{(when - start).total_seconds():.3f} s"
