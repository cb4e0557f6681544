"""How a comparison is to be made, into which parts it falls, and what it comes to."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

from rds_encrypt.verification.differences import Difference
from rds_encrypt.verification.ranges import Range
from rds_encrypt.verification.tables import Table

__all__ = ["How", "Mode", "Result", "chosen", "label", "rows_of_a_part"]

Mode = Literal["full", "sample", "counts"]

_BYTES = 16 * 1024 * 1024
_FEWEST, _MOST = 1_000, 100_000


@dataclass(frozen=True)
class How:
    """How to compare.

    Attributes:
        level: ``full`` compares every row, ``sample`` those of a part of all ranges, ``counts`` only how many there are.
        sample: the part of all ranges, from 0 to 1; the first and the last of each table are always among them.
        threads: sessions on each side that compare rows.
        named: how many differing rows of one table are named at most.
        rows: rows in a range; chosen by their width if not given.
    """

    level: Mode = "full"
    sample: float = 1.0
    threads: int = 4
    named: int = 10
    rows: int | None = None


@dataclass(frozen=True)
class Result:
    """What a comparison came to, as far as it has come.

    Attributes:
        rows: rows on the reference side whose checksums were compared, before an interruption too; in level ``counts``, that
            were counted.
        chunks: ranges that this run has compared.
        bytes: of the tables' data, as the server estimates them.
        resumed: ranges that an interrupted run had done.
    """

    tables: int
    rows: int
    chunks: int
    bytes: int
    seconds: float
    resumed: int
    differences: tuple[Difference, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def rows_of_a_part(how: How, table: Table) -> int:
    """Return how many rows a range of this table has: as many as take a server some tenths of a second."""
    if how.rows is not None:
        return how.rows
    return min(_MOST, max(_FEWEST, _BYTES // max(table.width, 1)))


def chosen(how: How, table: Table, part: Range) -> bool:
    """Whether a range is compared: in a sample, by a lot that falls the same way when an interrupted run goes on."""
    if how.level != "sample" or part.low is None or part.high is None:
        return True
    return random.Random(f"{table} {part}").random() < how.sample  # noqa: S311 - not cryptography


def label(table: Table, budget: int) -> str:
    """Return what a table is remembered by: its name, and what its checksums are made of."""
    made_of = repr((table.columns, table.index, table.key, budget))
    return f"{table} {hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
