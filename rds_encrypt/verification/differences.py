"""Differences that a comparison found, one entry for each thing to check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Difference", "sentences"]


@dataclass(frozen=True)
class Difference:
    """One thing that differs between the two sides.

    Attributes:
        kind: ``row``, ``rows``, ``table``, ``view``, ``procedure``, ``account``, ``variable``…
        subject: its name, such as ``shop.orders``.
        key: the row, as ``id=17``, or the part of a definition; may be empty.
        reference: what the trusted side has.
        copy: what the copy has.
    """

    kind: str
    subject: str
    key: str
    reference: str
    copy: str

    def __str__(self) -> str:
        where = f"{self.kind} {self.subject}" + (f", {self.key}" if self.key else "")
        return f"{where}: {self.reference} on the source's side, {self.copy} on the copy"

    def as_plain(self) -> dict[str, Any]:
        """Return the fields for a report."""
        return asdict(self)


def sentences(differences: tuple[Difference, ...], *, limit: int = 10) -> list[str]:
    """Return the first differences as sentences, and the number of the others."""
    shown = [str(difference) for difference in differences[:limit]]
    more = len(differences) - len(shown)
    return [*shown, f"and {more} more"] if more > 0 else shown
