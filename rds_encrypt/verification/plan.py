"""Options, parts and result of a comparison."""

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
        level: ``full`` compares every row, ``sample`` the rows of some ranges, ``counts`` only the number of rows.
        sample: the fraction of the ranges, from 0 to 1; always includes the first and the last of each table.
        threads: sessions on each side that compare rows.
        named: the most differing rows to name per table.
        rows: rows per range; derived from their width if not given.
        master: the master user; see ``definitions``.
    """

    level: Mode = "full"
    sample: float = 1.0
    threads: int = 4
    named: int = 10
    rows: int | None = None
    master: str = ""


@dataclass(frozen=True)
class Result:
    """The result of a comparison so far.

    Attributes:
        rows: rows on the reference side whose checksums were compared (in level ``counts``: that were counted), before an
            interruption too.
        chunks: ranges that this run has compared.
        bytes: size of the tables' data, as the server estimates it.
        resumed: ranges that an interrupted run had compared.
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
    """Return the number of rows per range of this table: as many as a server reads in some tenths of a second."""
    if how.rows is not None:
        return how.rows
    return min(_MOST, max(_FEWEST, _BYTES // max(table.width, 1)))


def chosen(how: How, table: Table, part: Range) -> bool:
    """Whether a range is compared: a sample draws the same ranges again when an interrupted run resumes."""
    if how.level != "sample" or part.low is None or part.high is None:
        return True
    return random.Random(f"{table} {part}").random() < how.sample  # noqa: S311 - not cryptography


def label(table: Table, budget: int) -> str:
    """Return a table's label in the checkpoint: its name, and a digest of what its checksums are made of."""
    made_of = repr((table.columns, table.index, table.key, budget))
    return f"{table} {hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
