"""Compares two servers stopped at the same coordinates: definitions, then the rows of all tables, the largest first, on many sessions.

It can stop after a while and resume when both are stopped at the same coordinates again: only the same events have changed
the parts that were equal. Applications may have dropped, renamed, altered or made tables meanwhile, so each time it lists them again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from queue import SimpleQueue

from rds_encrypt.core.waiting import Progress, silent, stop_if_orphaned
from rds_encrypt.mysql.same_coordinates import Opener
from rds_encrypt.settings import VerifySettings
from rds_encrypt.verification.checkpoint import Checkpoint, Part
from rds_encrypt.verification.checksum import Pair, differing_rows, text_budget
from rds_encrypt.verification.counters import compare_counters, read_counters
from rds_encrypt.verification.definitions import compare_definitions, read_definitions
from rds_encrypt.verification.differences import Difference
from rds_encrypt.verification.plan import Result, chosen, label, rows_of_a_part
from rds_encrypt.verification.progress import ComparisonProgress
from rds_encrypt.verification.ranges import Range, ranges
from rds_encrypt.verification.sessions import prepare
from rds_encrypt.verification.tables import Table, inventory

__all__ = ["Comparison"]


@dataclass(frozen=True)
class _Checked:
    """The result of one part."""

    table: Table
    part: Range
    rows: int
    differences: tuple[Difference, ...]


@dataclass
class Comparison:
    """A comparison that resumes each time both servers are stopped at the same coordinates.

    Attributes:
        reference: opens sessions on the trusted side.
        copy: opens sessions on the copy.
        settings: the level, not ``off``; the share of the ranges; the sessions.
        checkpoint: the parts that are finished.
        most_named: the most differing rows to name per table.
        rows_per_range: derived from the width of a table's rows if not given.
        master: the master user; see ``definitions``.
    """

    reference: Opener
    copy: Opener
    settings: VerifySettings
    checkpoint: Checkpoint
    progress: Progress = silent
    most_named: int = 10
    rows_per_range: int | None = None
    master: str = ""
    _tables: list[Table] | None = None
    _unlike: list[Difference] = field(default_factory=list)
    """Tables that cannot be compared."""
    _differences: list[Difference] = field(default_factory=list)
    _named: Counter[str] = field(default_factory=Counter)
    _unnamed: Counter[str] = field(default_factory=Counter)
    _chunks: int = 0
    _seconds: float = 0.0

    def advance(self, *, deadline: float = float("inf")) -> bool:
        """Compare until everything is done, or ``deadline`` seconds have passed; return whether everything is done.

        Both servers must stay stopped at the same coordinates until this returns.
        """
        began = time.monotonic()
        try:
            with ExitStack() as stack:
                pairs = self._open(stack)
                if self._tables is None:
                    self._compare_definitions(pairs[0])
                self._tables = self._list(pairs[0])
                # At least half of the time for rows, however long the lists take.
                ends = max(began + deadline, time.monotonic() + deadline / 2)
                return self._compare(pairs, self._tables, ends)
        finally:
            self._seconds += time.monotonic() - began

    @property
    def result(self) -> Result:
        """The result so far."""
        tables = self._tables or []
        unnamed = [
            Difference("rows", name, "beyond those named", f"rows in {ranges} more ranges", "other rows")
            for name, ranges in sorted(self._unnamed.items())
        ]
        return Result(
            tables=len(tables),
            rows=self.checkpoint.rows,
            chunks=self._chunks,
            bytes=sum(table.bytes for table in tables),
            seconds=self._seconds,
            resumed=self.checkpoint.recalled,
            differences=(*self._differences, *self._unlike, *unnamed),
        )

    def _open(self, stack: ExitStack) -> list[Pair]:
        """Open the sessions; the first pair reads definitions and cuts the tables."""
        executor = stack.enter_context(ThreadPoolExecutor(self.settings.threads + 1, "copy"))
        pairs: list[Pair] = []
        for _ in range(self.settings.threads + 1):
            ours, theirs = stack.enter_context(self.reference()), stack.enter_context(self.copy())
            prepare(ours)
            prepare(theirs)
            budget = pairs[0].budget if pairs else text_budget(ours, theirs)
            pairs.append(Pair(ours, theirs, budget, executor))
        return pairs

    def _compare_definitions(self, pair: Pair) -> None:
        self.progress("comparing definitions")
        self._differences += compare_definitions(
            *pair.both(lambda session: read_definitions(session, self.master))
        )
        self._differences += compare_counters(*pair.both(read_counters), pair.copy)

    def _list(self, pair: Pair) -> list[Table]:
        """Return the tables whose rows can be compared, the largest first."""
        left, right = pair.both(inventory)
        tables: list[Table] = []
        self._unlike = []
        for name in left.keys() & right.keys():
            table, other = left[name], right[name]
            if table.columns != other.columns:
                self._unlike.append(
                    Difference("rows", str(table), "", "not compared", "since its columns differ")
                )
            elif (table.index, table.key) == (other.index, other.key):
                tables.append(table)
            else:
                tables.append(replace(table, index="", key=()))
        return sorted(tables, key=lambda table: (-table.bytes, str(table)))

    def _compare(self, pairs: list[Pair], tables: list[Table], ends: float) -> bool:
        """Keep every pair busy until the parts, or the time, run out; finish every part that was begun."""
        planner, *workers = pairs
        free: SimpleQueue[Pair] = SimpleQueue()
        for worker in workers:
            free.put(worker)

        def check(table: Table, part: Range) -> _Checked:
            pair = free.get()
            try:
                return self._check(pair, table, part)
            finally:
                free.put(pair)

        progress = ComparisonProgress(sum(table.rows for table in tables), self.progress)
        progress.skip(sum(part.rows for part in self.checkpoint.parts))
        parts = self._parts(planner, tables)
        under_way: set[Future[_Checked]] = set()
        with ThreadPoolExecutor(len(workers), "compare") as executor:
            try:
                # Even a short deadline compares some parts, so that repeated calls complete the comparison.
                going_on = True
                while True:
                    room = 2 * len(workers) - len(under_way) if going_on else 0
                    under_way |= {executor.submit(check, *part) for part in islice(parts, room)}
                    if not under_way:
                        # A part that is only peeked at here is cut again when the comparison resumes.
                        return going_on or next(parts, None) is None
                    done, under_way = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
                    for future in done:
                        progress.add(self._note(planner, future.result()))
                    going_on = time.monotonic() < ends
                    stop_if_orphaned("the verification")
            except BaseException:
                executor.shutdown(wait=True, cancel_futures=True)
                raise

    def _parts(self, planner: Pair, tables: list[Table]) -> Iterator[tuple[Table, Range]]:
        """Cut the tables, each from its checkpoint; ranges outside the sample count as finished."""
        for table in tables:
            low, complete = self.checkpoint.reached(label(table, planner.budget))
            if complete:
                continue
            size = self.rows_per_range or rows_of_a_part(table)
            whole = self.settings.level == "counts"
            for part in [Range()] if whole else ranges(planner.reference, table, size, low):
                if chosen(self.settings, table, part):
                    yield table, part
                else:
                    self.checkpoint.add(Part(label(table, planner.budget), part, 0))

    def _check(self, pair: Pair, table: Table, part: Range) -> _Checked:
        """Compare one part; if it differs, find the rows."""
        if self.settings.level == "counts":
            ours, theirs = pair.counts(table)
            unlike = (Difference("rows", str(table), "", f"{ours} rows", f"{theirs} rows"),)
            return _Checked(table, part, ours, unlike if ours != theirs else ())
        reference, copy = pair.aggregates(table, part)
        if reference == copy:
            return _Checked(table, part, reference.rows, ())
        room = self.most_named - self._named[str(table)]
        differences = tuple(differing_rows(pair, table, part, room)) if room > 0 else ()
        if not differences and room > 0:
            # Never silent: checksums that differ without a differing row mean a bug here, or a server that moves.
            differences = (
                Difference("rows", str(table), f"{part}", f"{reference.rows} rows", "another checksum"),
            )
        return _Checked(table, part, reference.rows, differences or _MORE)

    def _note(self, planner: Pair, checked: _Checked) -> int:
        """Record the result of a part; return its rows."""
        name = str(checked.table)
        self._chunks += 1
        for difference in checked.differences:
            if difference is _MORE[0] or self._named[name] >= self.most_named:
                self._unnamed[name] += 1
                break
            self._named[name] += 1
            self._differences.append(difference)
        # A part that differs is not saved: a run that resumes must find it again.
        self.checkpoint.add(
            Part(label(checked.table, planner.budget), checked.part, checked.rows),
            lasting=not checked.differences,
        )
        return checked.rows


_MORE = (Difference("rows", "", "", "", ""),)
"""Stands for rows that are not named, because enough of their table are."""
