"""The report on a rehearsal: one self-contained HTML file, and its figures beside it as JSON, which later plans read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rds_encrypt.core.words import duration, utc
from rds_encrypt.plan.costs import Kept, hourly
from rds_encrypt.plan.estimates import RATES, Operation, Span
from rds_encrypt.rehearse.facts import Answer, Judgement
from rds_encrypt.rehearse.limits import Limits
from rds_encrypt.rehearse.measurements import Measurements, Range
from rds_encrypt.rehearse.neutral import neutral
from rds_encrypt.rehearse.operations import Kind
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.lag_curve import curve
from rds_encrypt.reports.lag_log import FILE as LAG
from rds_encrypt.reports.templates import render
from rds_encrypt.settings import PriceSettings
from rds_encrypt.version import VERSION

__all__ = ["Subject", "Timed", "publish", "timed", "times_for_plans"]

_WORDS: Mapping[Kind, str] = {
    "create": "create the copy",
    "replica": "create the replica",
    "snapshot": "take a snapshot",
    "copy": "copy and encrypt it",
    "restore": "restore the encrypted instance",
    "rename": "rename an instance",
    "reboot": "reboot an instance",
    "change": "modify an instance",
    "stop": "stop an instance",
    "start": "start an instance",
    "delete": "delete an instance",
}
_ESTIMATED: Mapping[Kind, Operation] = {
    "replica": "replica",
    "snapshot": "snapshot",
    "copy": "copy",
    "restore": "restore",
    "rename": "rename",
    "stop": "stop",
    "delete": "delete",
}
"""Those that a plan estimates."""


@dataclass(frozen=True)
class Subject:
    """The instance that was rehearsed.

    Attributes:
        source: the identifier of the real instance.
        engine: its engine and version, such as ``MySQL 8.0.41``.
        instance_class: its class.
        standby: whether it has a standby.
        prices: AWS's prices, if the config has them.
    """

    source: str
    engine: str
    instance_class: str
    standby: bool = False
    prices: PriceSettings | None = None


@dataclass(frozen=True)
class Timed:
    """The measured times of one kind of operation, and the plan's estimate.

    Attributes:
        compared: ``faster``, ``slower`` or ``as estimated``, by the median; ``None`` without a measurement or an estimate.
        ways: the distinct ways through statuses.
    """

    kind: Kind
    what: str
    count: int
    seconds: Range | None
    estimate: Span | None
    compared: str | None
    gib_per_minute: float | None
    ways: tuple[str, ...]


def publish(
    files: Files,
    subject: Subject,
    measured: Measurements,
    judgements: Sequence[Judgement],
    *,
    reports: Path,
    limits: Limits | None = None,
) -> Path | None:
    """Write ``rehearsal-<source>.html`` and ``.json``; return the page's path, or ``None`` if that failed.

    Args:
        files: those of the source, whose directory the report goes to.
        reports: the directory with the program's files of each move.
    """
    into = replace(files, identifier="rehearsal")
    by_answer = {
        answer: [judgement for judgement in judgements if judgement.answer is answer] for answer in Answer
    }
    times = [timing for kind in _WORDS if (timing := timed(measured, kind)) is not None]
    issue = _issue(subject, measured, by_answer[Answer.DIFFERENT], limits or Limits())
    into.write_json(f"{subject.source}.json", _figures(subject, measured, times, judgements))
    page = render(
        "rehearsal.html.j2",
        subject=subject,
        measured=measured,
        written=f"{utc(datetime.now(UTC))[:-4]} UTC",
        version=VERSION,
        began=_when(measured.began),
        ended=_when(measured.ended),
        outage=_between(measured.outage),
        renames=_between(Range.of(cutover.renames for cutover in measured.complete_cutovers)),
        cost=_cost(subject, measured),
        times=times,
        differences=len(by_answer[Answer.DIFFERENT]),
        issue=issue,
        expected=by_answer[Answer.AS_EXPECTED],
        unseen=by_answer[Answer.NOT_OBSERVED],
        lag=curve(_lag(measured, reports)),
        between=_between,
        lasted=_lasted,
        neutral=lambda text: neutral(text, measured.source),
    )
    return into.write(f"{subject.source}.html", page)


def timed(measured: Measurements, kind: Kind) -> Timed | None:
    """Return the times of one kind of operation, or ``None`` if there was none."""
    every = measured.of(kind)
    rate = RATES[_ESTIMATED[kind]] if kind in _ESTIMATED else None
    if not every:
        return None
    seconds = measured.seconds(kind)
    gib = next((operation.gib for operation in every if operation.gib), None) or 0
    estimate = rate.over(gib) if rate is not None else None
    sized = rate is not None and (rate.best or rate.worst or kind == "restore")
    return Timed(
        kind=kind,
        what=_WORDS[kind],
        count=len(every),
        seconds=seconds,
        estimate=estimate,
        compared=_compared(seconds, estimate),
        gib_per_minute=measured.rate(kind) if sized else None,
        ways=tuple(dict.fromkeys(", ".join(operation.names) for operation in every)),
    )


def times_for_plans(measured: Measurements) -> dict[str, float]:
    """Return the median times of the operations that plans estimate, in seconds."""
    ranges = {name: measured.seconds(kind) for kind, name in _ESTIMATED.items()}
    return {name: seconds.median for name, seconds in ranges.items() if seconds is not None}


def _compared(seconds: Range | None, estimate: Span | None) -> str | None:
    if seconds is None or estimate is None:
        return None
    if seconds.median < estimate.low:
        return "faster"
    return "slower" if seconds.median > estimate.high else "as estimated"


def _cost(subject: Subject, measured: Measurements) -> str | None:
    if subject.prices is None or measured.gib is None:
        return None
    instances = 2 + subject.standby
    return hourly(subject.prices, Kept(instances, instances * measured.gib, 2 * measured.gib))


def _issue(subject: Subject, measured: Measurements, different: Sequence[Judgement], limits: Limits) -> str:
    """Return the differences as Markdown for a public issue."""
    if not different:
        return ""
    day = measured.ended.date().isoformat() if measured.ended is not None else "unknown day"
    size = f", {measured.gib} GiB" if measured.gib else ""
    what = "a fact" if len(different) == 1 else f"{len(different)} facts"
    lines = [
        f"RDS answered {what} differently in a rehearsal",
        "",
        f"{subject.engine}, {subject.instance_class}{size}; rds-encrypt {VERSION}; {day}",
        "",
    ]
    for judgement in different:
        fact = judgement.fact
        limit = f" Limit: {getattr(limits, fact.limit):g} s." if fact.limit else ""
        test = f" Test: `{fact.test}`." if fact.test else ""
        lines += [
            f"- **{fact.name}**: {fact.sentence}.",
            f"  Known from: {fact.source}.{test}",
            f"  Observed: {neutral(judgement.observed, measured.source)}.{limit}",
        ]
    return "\n".join(lines)


def _figures(
    subject: Subject, measured: Measurements, times: Sequence[Timed], judgements: Sequence[Judgement]
) -> dict[str, Any]:
    """Return the content of the JSON file: figures, and no identifiers but the source's name."""
    return {
        "version": VERSION,
        "source": subject.source,
        "engine": subject.engine,
        "instance_class": subject.instance_class,
        "gib": measured.gib,
        "began": measured.began.isoformat() if measured.began else None,
        "ended": measured.ended.isoformat() if measured.ended else None,
        "outage": asdict(measured.outage) if measured.outage else None,
        "operations": {timing.kind: _figure(timing) for timing in times},
        "procedures": {
            procedure.name: {
                "calls": procedure.calls,
                "refused": procedure.refused,
                "seconds": asdict(procedure.seconds) if procedure.seconds else None,
                "answers": [neutral(text, measured.source) for text in procedure.answers],
                "refusals": [neutral(text, measured.source) for text in procedure.refusals],
            }
            for procedure in measured.procedures
        },
        "moves": [asdict(move) for move in measured.moves],
        "cutovers": [asdict(cutover) for cutover in measured.cutovers],
        "name_gaps": [gap.seconds for gap in measured.gaps],
        "verifications": [
            {**asdict(verification), "rows_per_second": verification.rows_per_second}
            for verification in measured.verifications
        ],
        "hydration": measured.hydration,
        "writes": asdict(measured.writes) if measured.writes else None,
        "facts": {
            judgement.fact.name: {
                "answer": str(judgement.answer),
                "observed": neutral(judgement.observed, measured.source),
            }
            for judgement in judgements
        },
    }


def _figure(times: Timed) -> dict[str, Any]:
    return {
        "count": times.count,
        "seconds": asdict(times.seconds) if times.seconds else None,
        "estimate": [times.estimate.low, times.estimate.high] if times.estimate else None,
        "compared": times.compared,
        "gib_per_minute": times.gib_per_minute,
        "statuses": list(times.ways),
    }


def _lag(measured: Measurements, reports: Path) -> dict[str, Any] | None:
    """Return the newest log of the lag: each move continues that of the one before it, if it finds it."""
    logs = (
        Files(measured.source, directory=reports / move.move).read_json(LAG)
        for move in reversed(measured.moves)
    )
    return next((log for log in logs if log is not None), None)


def _when(at: datetime | None) -> str:
    return utc(at)[:-7] if at is not None else "–"


def _lasted(seconds: float | None) -> str:
    return duration(seconds) if seconds is not None else "–"


def _between(seconds: Range | None) -> str:
    """Return a range of seconds in words."""
    if seconds is None:
        return "–"
    low, high = duration(seconds.low), duration(seconds.high)
    return low if low == high else f"{low} to {high}"
