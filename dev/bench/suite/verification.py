"""Lines of the verification: beside `CHECKSUM TABLE`, which compares nothing by itself, and beside `pt-table-checksum`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dev.bench.suite.lines import Limit, Line, at_least
from dev.bench.suite.wish import Wish
from dev.bench.verification import Figure, Way, measure, parse

__all__ = ["lines_of", "verification"]

_FULL = ("--rows", "2000000")
_QUICK = (*_FULL, "--shapes", "orders")
_LARGE = ("--rows", "9000000", "--shapes", "sysbench", "--runs", "1")
"""2 GB of data on each server."""
_ONE_TABLE, _TOTAL, _PERCONA = at_least(0.8), at_least(1.0), at_least(3.0)


def verification(wish: Wish) -> Iterator[Line]:
    """Compare two servers that hold the same."""
    for data in (_FULL, _LARGE) if wish.full else (_QUICK,):
        yield from lines_of(measure(parse(["--engine", wish.engine, *data]), wish.console))


def lines_of(figures: Sequence[Figure]) -> Iterator[Line]:
    """Return the speeds of one side's rows, and the processor time that the servers spent."""
    found = {(figure.what, figure.name): figure for figure in figures}
    for what in dict.fromkeys(figure.what for figure in figures):
        one_table = ", 1 table" in what
        for ours, peer, limit, name in (
            (Way.ONE_SESSION, Way.CHECKSUM, None, "one server, one session"),
            (Way.TWO_SESSIONS, Way.CHECKSUM, None, "one server, two sessions"),
            (Way.VERIFY, Way.CHECKSUM_IN_TURN, _ONE_TABLE if one_table else _TOTAL, "both servers"),
            (Way.VERIFY, Way.CHECKSUM_AT_ONCE, None, "both servers"),
            (Way.VERIFY, Way.PERCONA, _PERCONA, "both servers"),
        ):
            if (what, peer) in found:
                yield _speed(f"verification, {what}, {name}", found[what, ours], found[what, peer], limit)
        ours_, peer_ = found[what, Way.VERIFY], found[what, Way.CHECKSUM_IN_TURN]
        yield Line(
            f"verification, {what}, data",
            _megabytes(ours_),
            "MB/s",
            _megabytes(peer_),
            _said(Way.CHECKSUM_IN_TURN),
        )
        for way in (Way.CHECKSUM_IN_TURN, Way.PERCONA):
            if (what, way) in found:
                cpu = found[what, way].cpu
                yield Line(
                    f"verification, {what}, processor time of the servers", ours_.cpu, "s", cpu, _said(way)
                )


def _speed(name: str, ours: Figure, peer: Figure, limit: Limit | None) -> Line:
    return Line(name, ours.rate, "rows/s", peer.rate, _said(Way(peer.name)), limit)


def _said(way: Way) -> str:
    return way.partition(": ")[2]


def _megabytes(figure: Figure) -> float:
    return figure.bytes / 1e6 / figure.seconds
