"""Parts and result of a comparison."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from rds_encrypt.settings import VerifySettings
from rds_encrypt.verification.differences import Difference
from rds_encrypt.verification.ranges import Range
from rds_encrypt.verification.tables import Table

__all__ = ["Result", "chosen", "label", "rows_of_a_part"]

_BYTES = 16 * 1024 * 1024
_FEWEST, _MOST = 1_000, 100_000


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


def rows_of_a_part(table: Table) -> int:
    """Return the number of rows per range of this table: as many as a server reads in some tenths of a second."""
    return min(_MOST, max(_FEWEST, _BYTES // max(table.width, 1)))


def chosen(settings: VerifySettings, table: Table, part: Range) -> bool:
    """Whether a range is compared: a sample draws the same ranges again when an interrupted run resumes."""
    if settings.level != "sample" or part.low is None or part.high is None:
        return True
    return random.Random(f"{table} {part}").random() < settings.sample  # noqa: S311 - not cryptography


def label(table: Table, budget: int) -> str:
    """Return a table's label in the checkpoint: its name, and a digest of what its checksums are made of, and of its creation."""
    made_of = repr((table.columns, table.index, table.key, budget, table.created))
    return f"{table} {hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
