"""Judges of the facts about MySQL: `read_only`, RDS's procedures, binary logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rds_encrypt.core.words import counted, duration
from rds_encrypt.rehearse import known
from rds_encrypt.rehearse.evidence import Evidence, Verdict, observed, verdict
from rds_encrypt.rehearse.measurements import Procedure
from rds_encrypt.rehearse.observations import Observation

__all__ = [
    "external_source",
    "pauses",
    "procedure_names",
    "purged",
    "read_only",
    "refusal_number",
    "refusal_texts",
    "reset",
    "retention",
    "success_texts",
]


def read_only(evidence: Evidence) -> Verdict:
    most, different = [], []
    for cutover in evidence.measured.cutovers:
        at_least, at_most = cutover.read_only_at_least, cutover.read_only_at_most
        if at_most is not None:
            most.append(at_most)
            if at_most > evidence.limits.read_only:
                different.append(f"{cutover.verb}: after {duration(at_least or 0.0)} to {duration(at_most)}")
        elif at_least is not None and at_least > evidence.limits.read_only:
            different.append(f"{cutover.verb}: not within {duration(at_least)}")
    return verdict(different, f"after {duration(max(most))} at most" if most else "")


def refusal_texts(evidence: Evidence) -> Verdict:
    refusals = [(reply, text) for reply, code, text in evidence.errors() if code == known.REFUSED]
    unknown = [f"`{reply.procedure}`: “{text}”" for reply, text in refusals if not known.known_refusal(text)]
    return verdict(unknown, observed(len(refusals), "refusal"))


def success_texts(evidence: Evidence) -> Verdict:
    replies = [reply for reply in evidence.replies if reply.ok and "set_external" not in reply.procedure]
    unknown = [
        f"`{reply.procedure}`: “{reply.text}”" for reply in replies if not known.known_success(reply.text)
    ]
    return verdict(unknown, observed(len(replies), "answer"))


def refusal_number(evidence: Evidence) -> Verdict:
    expected = known.TRANSIENT | {known.REFUSED, known.NO_SUCH_PROCEDURE}
    errors = list(evidence.errors())
    others = [f"`{reply.procedure}`: {code} {text}" for reply, code, text in errors if code not in expected]
    return verdict(others, observed(sum(code == known.REFUSED for _, code, _ in errors), "refusal"))


def procedure_names(evidence: Evidence) -> Verdict:
    missing = [
        f"`{reply.procedure}`" for reply, code, _ in evidence.errors() if code == known.NO_SUCH_PROCEDURE
    ]
    return verdict(missing, ", ".join(f"`{procedure.name}`" for procedure in evidence.measured.procedures))


def external_source(evidence: Evidence) -> Verdict:
    answers = [reply for reply in evidence.replies if reply.ok and "rds_set_external" in reply.procedure]
    different = [f"“{reply.text}”" for reply in answers if reply.text]
    return verdict(different, observed(len(answers), "empty answer"))


def pauses(evidence: Evidence) -> Verdict:
    return _quick(evidence, ("rds_start_replication", "rds_stop_replication"), evidence.limits.start_or_stop)


def reset(evidence: Evidence) -> Verdict:
    return _quick(evidence, ("rds_reset_external_master", "rds_reset_external_source"), evidence.limits.reset)


def _quick(evidence: Evidence, names: tuple[str, ...], limit: float) -> Verdict:
    """Judge by the median: a busy machine delays single calls."""
    procedures = [
        procedure
        for procedure in evidence.measured.procedures
        if procedure.name.removeprefix("mysql.") in names
    ]
    slow = [
        _taken(procedure)
        for procedure in procedures
        if procedure.seconds is not None and procedure.seconds.median > limit
    ]
    return verdict(
        slow, ", ".join(_taken(procedure) for procedure in procedures if procedure.seconds is not None)
    )


def _taken(procedure: Procedure) -> str:
    seconds = procedure.seconds
    return f"`{procedure.name}` {seconds.median:.2f} s" if seconds is not None else ""


def retention(evidence: Evidence) -> Verdict:
    kept, different, since = 0, [], _Since()
    for before, after in _binlog_changes(evidence):
        hours, age = before["hours"], since.known(before)
        if hours is None or after["hours"] is None:
            continue
        kept += 1
        gone = _number(after["first"]) - _number(before["first"])
        if gone > 0 and (after.at - age).total_seconds() < hours * 3600:
            different.append(
                f"{counted(gone, 'file')} went {duration((after.at - age).total_seconds())} after the first observation,"
                f" with a retention of {hours} h"
            )
    return verdict(different, observed(kept, "observation"))


def purged(evidence: Evidence) -> Verdict:
    gone = sum(
        max(_number(after["first"]) - _number(before["first"]), 0)
        for before, after in _binlog_changes(evidence)
        if before["hours"] is None and after["hours"] is None
    )
    return verdict([], observed(gone, "file"))


class _Since:
    """When each instance was first observed: all its files are at least as old."""

    def __init__(self) -> None:
        self._first: dict[str, datetime] = {}

    def known(self, observation: Observation) -> datetime:
        return self._first.setdefault(str(observation["id"]), observation.at)


def _binlog_changes(evidence: Evidence) -> Iterator[tuple[Observation, Observation]]:
    """Return each observation of an instance's binary logs with the one before it."""
    last: dict[str, Observation] = {}
    for observation in evidence.of("binlogs"):
        if not observation["first"]:
            continue
        if (before := last.get(observation["id"])) is not None:
            yield before, observation
        last[observation["id"]] = observation


def _number(file: str) -> int:
    return int(file.rpartition(".")[2])
