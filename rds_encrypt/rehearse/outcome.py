"""The outcome of a rehearsal: writes the report, and returns its summary for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rds_encrypt.core.words import duration
from rds_encrypt.rehearse.facts import Answer, judge
from rds_encrypt.rehearse.limits import Limits
from rds_encrypt.rehearse.measurements import Measurements, measure
from rds_encrypt.rehearse.rehearsal import Rehearsal
from rds_encrypt.rehearse.report import Subject, publish, times_for_plans
from rds_encrypt.rehearse.snippet import snippet
from rds_encrypt.reports.files import Files

__all__ = ["outcome"]

_FIXED = ("rename", "stop")
"""The times that do not grow with the storage, so that those of a small instance count for the source, too."""


def outcome(rehearsal: Rehearsal, limits: Limits) -> Iterator[str]:
    """Write the report of as much as was rehearsed, and yield its essentials in sentences."""
    observations = list(rehearsal.observations)
    measured = measure(observations, rehearsal.reports, rehearsal.config.names.source)
    judged = judge(observations, measured, limits)
    source = rehearsal.source.description
    subject = Subject(
        source=rehearsal.config.source,
        engine=f"MySQL {source['EngineVersion']}",
        instance_class=source["DBInstanceClass"],
        standby=bool(source.get("MultiAZ")),
        prices=rehearsal.config.prices,
    )
    files = Files(rehearsal.config.source)
    page = publish(files, subject, measured, judged, reports=rehearsal.reports, limits=limits)
    yield from _writes(measured)
    different = [judgement for judgement in judged if judgement.answer is Answer.DIFFERENT]
    for judgement in different:
        yield (
            f"RDS answered differently: {judgement.fact.sentence}. Observed: {judgement.observed}."
            f" ({judgement.fact.name})"
        )
    if not different:
        yield "RDS did nothing that rds-encrypt does not expect."
    if page is not None:
        yield f"Report: {page}"
    times = times_for_plans(measured)
    if rehearsal.snapshot is None:
        times = {name: seconds for name, seconds in times.items() if name in _FIXED}
    if times:
        yield f"For later plans, add these lines to the source {rehearsal.config.source} in your config:"
        yield snippet(times, datetime.now(UTC).date())


def _writes(measured: Measurements) -> Iterator[str]:
    if measured.writes is not None:
        writes = measured.writes
        yield f"Writes: {writes.acknowledged} acknowledged, {writes.lost} lost, {writes.duplicates} twice."
    if measured.outage is not None:
        yield f"Longest time without a write in a cutover: {duration(measured.outage.high)}."
