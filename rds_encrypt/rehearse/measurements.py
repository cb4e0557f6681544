"""The measurements of a rehearsal: AWS's operations, RDS's procedures, the outage of each cutover, rates, and lost writes.

All of it follows from the observations and from the files that the program wrote in each move. Seconds are floats, ``None`` where
the rehearsal did not observe them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rds_encrypt.cutover.timeline import Moment, Outage, moments_from, outage
from rds_encrypt.names import Names
from rds_encrypt.rehearse.observations import Observation
from rds_encrypt.rehearse.operations import Kind, Operation, Window, interruptions, operations, overlaps
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.logbook import Ending

__all__ = [
    "CutoverTime",
    "Measurements",
    "MoveTime",
    "NameGap",
    "Procedure",
    "Range",
    "Reply",
    "VerificationTime",
    "Writes",
    "measure",
    "reply_of",
]


@dataclass(frozen=True)
class Range:
    """Least, middle and most of some seconds."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, seconds: Iterable[float | None]) -> Range | None:
        """Return the range of those that are known, or ``None`` if none is."""
        known = [value for value in seconds if value is not None]
        return cls(min(known), round(median(known), 3), max(known)) if known else None


@dataclass(frozen=True)
class Reply:
    """One call of a procedure."""

    procedure: str
    seconds: float
    ok: bool
    text: str


@dataclass(frozen=True)
class Procedure:
    """All calls of a procedure.

    Attributes:
        seconds: of the calls that succeeded.
        answers: the distinct texts of those.
        refusals: the distinct texts of the others.
    """

    name: str
    calls: int
    refused: int
    seconds: Range | None
    answers: tuple[str, ...]
    refusals: tuple[str, ...]


@dataclass(frozen=True)
class CutoverTime:
    """An attempt at a cutover or rollback.

    Attributes:
        at_least, at_most: how long writes were refused, by the program's log.
        renames: the part of it that AWS's renames took.
        writer_gap: the longest time in which the rehearsal's writer got no write acknowledged.
        read_only_at_least, read_only_at_most: from the request for the fence until `read_only` had taken effect. The log knows the
            moment at which the program saw it; the writer, if it was cut off later than the request, how long it had not. An attempt
            that was called off before has only the former.
    """

    move: str
    verb: str
    complete: bool
    at_least: float | None
    at_most: float | None
    renames: float | None
    writer_gap: float | None
    read_only_at_least: float | None
    read_only_at_most: float | None


@dataclass(frozen=True)
class MoveTime:
    """A move of the rehearsal that ended."""

    move: str
    seconds: float | None
    gap: float | None


@dataclass(frozen=True)
class NameGap:
    """A time in which the copy's name did not answer a client; ``seconds`` is ``None`` if nothing saw it answer again."""

    began: datetime
    seconds: float | None


@dataclass(frozen=True)
class VerificationTime:
    """One comparison of the data."""

    move: str
    level: str
    rows: int
    seconds: float
    clean: bool

    @property
    def rows_per_second(self) -> float | None:
        """Its speed; ``None`` if it was too quick to tell."""
        return self.rows / self.seconds if self.seconds else None


@dataclass(frozen=True)
class Writes:
    """The writer's account of the whole rehearsal."""

    acknowledged: int
    lost: int
    duplicates: int


@dataclass(frozen=True)
class Measurements:
    """Everything that a rehearsal measured.

    Attributes:
        source: the identifier of the copy it worked on.
        began, ended: the first and the last observation.
        gib: the storage of the copy.
        hydration: how long the encrypted instance's storage was initialized.
    """

    source: str
    began: datetime | None
    ended: datetime | None
    gib: int | None
    operations: tuple[Operation, ...]
    procedures: tuple[Procedure, ...]
    moves: tuple[MoveTime, ...]
    cutovers: tuple[CutoverTime, ...]
    gaps: tuple[NameGap, ...]
    verifications: tuple[VerificationTime, ...]
    hydration: float | None
    writes: Writes | None

    def of(self, kind: Kind) -> list[Operation]:
        """Return the operations of one kind."""
        return [operation for operation in self.operations if operation.kind == kind]

    def seconds(self, kind: Kind) -> Range | None:
        """Return how long the operations of one kind took."""
        return Range.of(operation.seconds for operation in self.of(kind))

    def rate(self, kind: Kind) -> float | None:
        """Return the GiB that the last operation of one kind handled in a minute."""
        rates = [rate for operation in self.of(kind) if (rate := operation.gib_per_minute) is not None]
        return rates[-1] if rates else None

    @property
    def complete_cutovers(self) -> list[CutoverTime]:
        """The cutovers that were completed, without rollbacks."""
        return [cutover for cutover in self.cutovers if cutover.verb == "cutover" and cutover.complete]

    @property
    def outage(self) -> Range | None:
        """How long writes were refused in a cutover, at most."""
        return Range.of(cutover.at_most for cutover in self.complete_cutovers)


def measure(observations: Iterable[Observation], reports: Path, source: str) -> Measurements:
    """Return the measurements of a rehearsal.

    Args:
        observations: the rehearsal's observations.
        reports: a directory with one directory for each move, called as the move, with the program's files.
        source: the identifier of the copy it worked on.
    """
    every, names = list(observations), Names(source)
    instances = [observation for observation in every if observation.kind == "instance"]
    sizes = [
        observation["gib"]
        for observation in instances
        if observation["identifier"] == source and observation["gib"]
    ]
    moves, begun = _moves([observation for observation in every if observation.kind == "move"])
    return Measurements(
        source=source,
        began=every[0].at if every else None,
        ended=every[-1].at if every else None,
        gib=sizes[-1] if sizes else None,
        operations=operations(every, source),
        procedures=tuple(
            _procedures(observation for observation in every if observation.kind == "procedure")
        ),
        moves=moves,
        cutovers=tuple(_cutovers(begun, moves, reports, source)),
        gaps=tuple(
            _gaps(
                (
                    observation
                    for observation in every
                    if observation.kind == "name" and observation["identifier"] == source
                ),
                interruptions(every),
            )
        ),
        verifications=tuple(_verifications(begun, reports, source)),
        hydration=_hydration(instances, names),
        writes=_writes([observation for observation in every if observation.kind == "writes"]),
    )


def reply_of(observation: Observation) -> Reply:
    """Return an observed call of a procedure."""
    return Reply(
        str(observation["procedure"]),
        float(observation["seconds"]),
        bool(observation["ok"]),
        str(observation["answer"]),
    )


def _procedures(rows: Iterable[Observation]) -> Iterator[Procedure]:
    calls: dict[str, list[Reply]] = {}
    for reply in map(reply_of, rows):
        calls.setdefault(reply.procedure, []).append(reply)
    for name, replies in sorted(calls.items()):
        succeeded = [reply for reply in replies if reply.ok]
        refused = [reply for reply in replies if not reply.ok]
        yield Procedure(
            name=name,
            calls=len(replies),
            refused=len(refused),
            seconds=Range.of(reply.seconds for reply in succeeded),
            answers=_distinct(succeeded),
            refusals=_distinct(refused),
        )


def _distinct(replies: Sequence[Reply]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reply.text for reply in replies))


def _moves(rows: Sequence[Observation]) -> tuple[tuple[MoveTime, ...], list[str]]:
    """Return the moves that ended, and the names of all, in order."""
    ended = [row for row in rows if row["event"] == "end"]
    times = [MoveTime(str(row["move"]), row.facts.get("seconds"), row.facts.get("gap")) for row in ended]
    return tuple(times), list(dict.fromkeys(str(row["move"]) for row in rows))


def _cutovers(
    names: Sequence[str], moves: Sequence[MoveTime], reports: Path, source: str
) -> Iterator[CutoverTime]:
    """Return each attempt once: a log holds those before it, also of earlier moves."""
    gaps = {move.move: move.gap for move in moves}
    seen = set()
    for name in names:
        verb = name.rpartition("-")[2]
        log = Files(source, directory=reports / name).read_json(f"{verb}.json")
        if verb not in {"cutover", "rollback"} or log is None:
            continue
        for attempt in [*log["earlier"], log]:
            if attempt["began"] not in seen:
                yield _cutover(name, verb, attempt, gaps.get(name) if attempt is log else None)
            seen.add(attempt["began"])


def _cutover(move: str, verb: str, log: Mapping[str, Any], gap: float | None) -> CutoverTime:
    moments = moments_from(log["moments"])
    refused = outage(moments)
    at_least, at_most = _read_only(moments, refused, gap)
    return CutoverTime(
        move=move,
        verb=verb,
        complete=log["outcome"] == Ending.COMPLETE,
        at_least=refused.at_least if refused else None,
        at_most=refused.at_most if refused else None,
        renames=refused.renames if refused else None,
        writer_gap=gap,
        read_only_at_least=at_least,
        read_only_at_most=at_most,
    )


def _read_only(
    moments: Mapping[Moment, datetime], refused: Outage | None, gap: float | None
) -> tuple[float | None, float | None]:
    """Return both bounds of the time until `read_only` had taken effect."""
    asked, closed = moments.get(Moment.FENCE_REQUESTED), moments.get(Moment.FENCED)
    if asked is None:
        return None, None
    if closed is None:
        lifted = moments.get(Moment.FENCE_LIFTED)
        return (round((lifted - asked).total_seconds(), 3), None) if lifted is not None else (None, None)
    most = (closed - asked).total_seconds()
    written = refused.at_most - gap if refused is not None and gap is not None else 0.0
    return round(min(max(written, 0.0), most), 3), round(most, 3)


def _gaps(rows: Iterable[Observation], unwatched: Sequence[Window]) -> Iterator[NameGap]:
    """Return the gaps in the name, except for the time before it first answered."""
    answered, closed = False, None
    for row in rows:
        if row["state"] == "open":
            if closed is not None:
                missed = overlaps(closed, row.at, unwatched)
                yield NameGap(closed, None if missed else (row.at - closed).total_seconds())
            answered, closed = True, None
        elif answered and closed is None:
            closed = row.at
    if closed is not None:
        yield NameGap(closed, None)


def _verifications(names: Sequence[str], reports: Path, source: str) -> Iterator[VerificationTime]:
    """Return each comparison once: a later move may find the file of an earlier one."""
    seen = set()
    for name in names:
        file = Files(source, directory=reports / name).read_json("verification.json")
        # A resumed comparison counts the rows of the run before it, but not its seconds.
        if file is None or file["verified_at"] in seen or file.get("chunks_resumed"):
            continue
        seen.add(file["verified_at"])
        yield VerificationTime(
            move=name,
            level=str(file["verify_level"]),
            rows=int(file["verified_rows"]),
            seconds=float(file["verify_seconds"]),
            clean=bool(file["clean"]),
        )


def initializing(instance: Observation) -> bool:
    """Return whether AWS said that it initializes the storage of an instance."""
    return "nitializ" in str(instance["storage"])


def _hydration(instances: Sequence[Observation], names: Names) -> float | None:
    """Return how long AWS said that it initializes the storage of the restored instance."""
    restored = next(
        (observation["id"] for observation in instances if observation["identifier"] == names.encrypted), None
    )
    life = [observation for observation in instances if observation["id"] == restored]
    began = next((observation.at for observation in life if initializing(observation)), None)
    if began is None:
        return None
    ended = next(
        (
            observation.at
            for observation in life
            if observation.at > began and observation["status"] and not initializing(observation)
        ),
        None,
    )
    return (ended - began).total_seconds() if ended is not None else None


def _writes(rows: Sequence[Observation]) -> Writes | None:
    if not rows:
        return None
    last = rows[-1]
    return Writes(int(last["acknowledged"]), int(last["lost"]), int(last["duplicates"]))
