"""Checksums of ranges of rows, made in the server, and the search for the rows behind a mismatch.

A row's digest is a hash of ``columns.row_text``; the dialect says which one. A range's checksum is the
number of its rows and an order-independent combination of their digests: exclusive or where a key makes every row unique; a sum
where rows may be equal, since exclusive or would cancel two equal rows out. Both have at least 64 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from rds_encrypt.core.words import counted
from rds_encrypt.mysql.dialect import dialect_of
from rds_encrypt.mysql.session import Row, Session
from rds_encrypt.verification.columns import row_text
from rds_encrypt.verification.differences import Difference
from rds_encrypt.verification.ranges import Key, Range, condition, key_columns, key_of, named, next_end
from rds_encrypt.verification.tables import Table

__all__ = ["Aggregate", "Pair", "checksum_statement", "differing_rows", "text_budget"]

T = TypeVar("T")

_FETCH = 500
"""Ranges of up to this many rows are compared row by row; larger ones are cut into parts first."""
_PARTS = 8
_BUDGET = 256 * 1024
_SUM = "SUM(CAST(CONV(LEFT({digest}, 16), 16, 10) AS UNSIGNED))"


@dataclass(frozen=True)
class Aggregate:
    """Row count and checksum of a range on one side."""

    rows: int
    checksum: str


@dataclass(frozen=True)
class Pair:
    """A session on each side; both run the same query at the same time.

    Attributes:
        budget: bytes that the strings of a row may take; see ``text_budget``.
    """

    reference: Session
    copy: Session
    budget: int
    executor: Executor = field(repr=False)

    def both(self, look: Callable[[Session], T]) -> tuple[T, T]:
        """Call ``look`` on both sides."""
        theirs = self.executor.submit(look, self.copy)
        try:
            ours = look(self.reference)
        finally:
            # Even if ours failed: two threads must not use one session.
            theirs.exception()
        return ours, theirs.result()

    def rows(self, statement: str) -> tuple[list[Row], list[Row]]:
        """Run a statement on both sides."""
        return self.both(lambda session: session.rows(statement))

    def counts(self, table: Table) -> tuple[int, int]:
        """Return the number of rows on both sides."""
        ours, theirs = self.rows(f"SELECT COUNT(*) AS n FROM {table.sql}")  # noqa: S608 - names from the server
        return int(ours[0]["n"]), int(theirs[0]["n"])

    def aggregates(self, table: Table, of: Range) -> tuple[Aggregate, Aggregate]:
        """Return row count and checksum of a range on both sides."""
        ours, theirs = self.rows(checksum_statement(self.reference, table, of, self.budget))
        return _aggregate(ours), _aggregate(theirs)


def checksum_statement(session: Session, table: Table, of: Range, budget: int) -> str:
    """Return the statement that computes a range's checksum, in the dialect of the session's server."""
    words = dialect_of(session)
    row = row_text(table.columns, budget, words.digest)
    combined = (
        words.combined_digest.format(row=row) if table.key else _SUM.format(digest=words.digest.format(row))
    )
    return f"SELECT COUNT(*) AS n, {combined} AS digest FROM {table.sql} WHERE {condition(table, of)}"  # noqa: S608 - names from the server


def _digest(pair: Pair, table: Table) -> str:
    digest = dialect_of(pair.reference).digest
    return digest.format(row_text(table.columns, pair.budget, digest))


def text_budget(*sessions: Session) -> int:
    """Return the greatest length of a row's text that all of these servers support."""
    packets = [int(session.value("SELECT @@max_allowed_packet")) for session in sessions]
    return min(_BUDGET, *(packet // 2 for packet in packets))


def differing_rows(pair: Pair, table: Table, within: Range, limit: int) -> Iterator[Difference]:
    """Find the rows that make the checksums of a range differ, at most ``limit``.

    Cuts the range at every n-th row of the side with more rows; skips parts that match.
    """
    if not table.key:
        yield from _differing_without_key(pair, table, limit)
        return
    yielded = 0
    waiting = [within]
    while waiting and yielded < limit:
        part = waiting.pop(0)
        ours, theirs = pair.aggregates(table, part)
        if ours == theirs:
            continue
        most = max(ours.rows, theirs.rows)
        if most > _FETCH:
            fuller = pair.reference if ours.rows == most else pair.copy
            waiting[:0] = _cut(fuller, table, part, -(-most // _PARTS))
            continue
        for difference in _one_by_one(pair, table, part):
            yield difference
            yielded += 1
            if yielded == limit:
                return


def _cut(session: Session, table: Table, whole: Range, size: int) -> list[Range]:
    parts: list[Range] = []
    low = whole.low
    for _ in range(_PARTS - 1):
        end = next_end(session, table, Range(low, whole.high), size)
        if end is None or end == whole.high:
            break
        parts.append(Range(low, end))
        low = end
    return [*parts, Range(low, whole.high)]


def _one_by_one(pair: Pair, table: Table, part: Range) -> Iterator[Difference]:
    digest = _digest(pair, table)
    ours, theirs = pair.rows(
        f"SELECT {key_columns(table)}, {digest} AS digest FROM {table.sql} WHERE {condition(table, part)}"  # noqa: S608 - names from the server
    )
    left = {key_of(table, row): str(row["digest"]) for row in ours}
    right = {key_of(table, row): str(row["digest"]) for row in theirs}
    order: dict[Key, None] = dict.fromkeys([*left, *right])
    for key in order:
        if left.get(key) != right.get(key):
            yield Difference(
                "row", str(table), named(table, key), _seen(left, key, right), _seen(right, key, left)
            )


def _seen(side: dict[Key, str], key: Key, other: dict[Key, str]) -> str:
    if key not in side:
        return "missing"
    return f"digest {side[key][:8]}" if key in other else "present"


def _differing_without_key(pair: Pair, table: Table, limit: int) -> Iterator[Difference]:
    """Group the rows by their digests' first bits, and compare row by row only the groups that differ."""
    digest = _digest(pair, table)
    bits = f"LEFT({digest}, 3)"
    total = _SUM.format(digest=digest)
    ours, theirs = pair.rows(
        f"SELECT {bits} AS bits, COUNT(*) AS n, {total} AS digest FROM {table.sql} GROUP BY 1"  # noqa: S608 - names from the server
    )
    left = {str(group["bits"]): _aggregate([group]) for group in ours}
    right = {str(group["bits"]): _aggregate([group]) for group in theirs}
    yielded = 0
    for group in sorted(left.keys() | right.keys()):
        if left.get(group) == right.get(group):
            continue
        statement = (
            f"SELECT {digest} AS digest, COUNT(*) AS n FROM {table.sql} WHERE {bits} = '{group}' GROUP BY 1"  # noqa: S608 - names from the server
        )
        counts = [
            Counter({str(row["digest"]): int(row["n"]) for row in side}) for side in pair.rows(statement)
        ]
        for one in sorted(counts[0].keys() | counts[1].keys()):
            if counts[0][one] != counts[1][one]:
                key = f"the row with digest {one} (the table has no unique key)"
                yield Difference("row", str(table), key, _times(counts[0][one]), _times(counts[1][one]))
                yielded += 1
                if yielded == limit:
                    return


def _times(count: int) -> str:
    return "missing" if count == 0 else f"present {counted(count, 'time')}"


def _aggregate(rows: list[Row]) -> Aggregate:
    digest = rows[0]["digest"]
    return Aggregate(int(rows[0]["n"]), digest.hex() if isinstance(digest, bytes) else str(digest or 0))
