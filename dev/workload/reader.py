"""A reader that behaves like a sound application: it knows one name, and remembers what it saw when."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate

import pymysql

from dev.workload.database import value
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, Connection, connect
from rds_encrypt.rehearse.writer import TABLE

__all__ = ["Read", "Reader", "wrong_reads"]

_EVERY = 0.02
_TIMEOUT = 5.0
_NEWEST = f"SELECT COALESCE(MAX(id), 0) FROM {TABLE}"  # noqa: S608 - a constant


@dataclass(frozen=True)
class Read:
    """The newest row that a read saw, by its id, and when the answer had arrived, on the monotonic clock."""

    monotonic: float
    newest: int


@dataclass
class Reader:
    """Reads the newest row under a name, over one connection, until it is stopped."""

    where: Address
    who: Credentials
    database: str
    reads: list[Read] = field(default_factory=list, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Read for the length of a ``with`` block."""
        thread = threading.Thread(target=self._run, name="reader", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            thread.join(2 * _TIMEOUT)

    def _run(self) -> None:
        connection: Connection | None = None
        while not self._stopping.wait(_EVERY):
            try:
                connection = connection or connect(
                    self.where, self.who, database=self.database, timeout=_TIMEOUT
                )
                newest = int(value(connection, _NEWEST))
            except (pymysql.err.MySQLError, OSError):
                if connection is not None and connection.open:
                    connection.close()
                connection = None
                continue
            self.reads.append(Read(time.monotonic(), newest))
        if connection is not None and connection.open:
            connection.close()


def wrong_reads(reads: Sequence[Read], acknowledged: Mapping[int, float]) -> int:
    """Count the reads that saw the past of what an earlier one saw, by more than the reader had been behind until then.

    A read is behind by the age of the oldest row that it did not see.

    Args:
        reads: those of one reader, in their order.
        acknowledged: when each row was acknowledged to its writer, by id, on the same clock.
    """
    ids = sorted(acknowledged)
    # The moment from which on a read that has nothing newer than ids[place - 1] is behind.
    since = list(accumulate((acknowledged[row_id] for row_id in reversed(ids)), min))[::-1]
    best, most, wrong = 0, 0.0, 0
    for read in reads:
        place = bisect_right(ids, read.newest)
        behind = max(0.0, read.monotonic - since[place]) if place < len(ids) else 0.0
        wrong += read.newest < best and behind > most
        best, most = max(best, read.newest), max(most, behind)
    return wrong
