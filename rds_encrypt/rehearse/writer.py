"""A writer that behaves like a sound application: it knows one name, and remembers what was acknowledged.

It asks for the address whenever it connects, connects again at once when a connection breaks or the address has changed, and never
repeats a write whose outcome it does not know.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pymysql

from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, Connection, connect

__all__ = ["INSERT", "TABLE", "Accounting", "Gap", "Resolve", "Write", "Writer", "account_for", "longest_gap"]

TABLE = "writes"
"""A table of the seeded database for it."""
INSERT = f"INSERT INTO {TABLE} (token, payload) VALUES (%s, %s)"  # noqa: S608 - a constant
_EVERY = 0.03
_PAUSE = 0.02
"""Seconds until the next attempt after an error: at once, without burning a processor that the database needs."""
_TIMEOUT = 5.0
_BATCH_EVERY, _BATCH = 5, 3
"""Every fifth short transaction has three rows; the others are single inserts in autocommit mode."""
_LONG_ROWS, _LONG_PAUSE = 9, 0.5
"""The long transactions: rows, and seconds between two of them; four seconds in all, one after the other."""
_READ_ONLY = {1290, 1792, 1836}

Resolve = Callable[[], Address]
"""Returns the address that the application's name for its database has now."""


@dataclass(frozen=True)
class Write:
    """One acknowledged row: the server said that its transaction is committed."""

    token: str
    connection: int
    monotonic: float
    wall: float


@dataclass(frozen=True)
class Gap:
    """A stretch of time without an acknowledged write, on any connection."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.begin


@dataclass(frozen=True)
class Accounting:
    """Acknowledged writes against the rows that are there."""

    acknowledged: int
    lost: tuple[str, ...]
    duplicates: tuple[str, ...]
    unacknowledged: int
    """Rows whose acknowledgement never reached the writer; it cannot know which outcome they had, so both are right."""


@dataclass
class Writer:
    """Inserts rows under a name, on several connections, until it is stopped.

    Attributes:
        where: the address, or a function that returns it, called whenever a connection is made.
        insert: takes a token, which is a number, and a text.
        connections: for short transactions.
        long_connections: for transactions of four seconds.
        every: seconds between the beginnings of two short transactions on one connection.
        first: the first token.
        acknowledge: called with each acknowledged write.
    """

    where: Address | Resolve
    who: Credentials
    database: str
    insert: str = INSERT
    connections: int = 4
    long_connections: int = 0
    every: float = _EVERY
    first: int = 1
    acknowledge: Callable[[Write], None] | None = None
    _log: list[Write] = field(default_factory=list, repr=False)
    _errors: Counter[str] = field(default_factory=Counter, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _broken: list[BaseException] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(self.first)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Write for the length of a ``with`` block."""
        kinds = [self._short] * self.connections + [self._long] * self.long_connections
        threads = [
            threading.Thread(target=self._run, args=(number, kind), name=f"writer-{number}", daemon=True)
            for number, kind in enumerate(kinds)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop()
            for thread in threads:
                thread.join(2 * _TIMEOUT)

    def stop(self) -> None:
        """Let every connection finish its transaction and end."""
        self._stopping.set()

    @property
    def acknowledged(self) -> list[Write]:
        """The writes acknowledged so far, in the order of the acknowledgements.

        Raises:
            RuntimeError: a connection met an error that no application would get over.
        """
        if self._broken:
            raise RuntimeError(f"the writer broke: {self._broken[0]}") from self._broken[0]
        # Appends are atomic, so a copy is consistent; threads may append out of order by microseconds.
        return sorted(self._log, key=lambda write: write.monotonic)

    @property
    def errors(self) -> Counter[str]:
        """How often the application saw each error."""
        return Counter(self._errors)

    def wait_for_write(self, after: float, deadline: float) -> bool:
        """Wait until a write is acknowledged after that moment of the monotonic clock."""
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            written = self.acknowledged
            if written and written[-1].monotonic > after:
                return True
            time.sleep(0.1)
        return False

    def _run(self, number: int, transaction: Callable[[Connection, int], list[int]]) -> None:
        connection: Connection | None = None
        address: Address | None = None
        for turn in itertools.count(number):
            if self._stopping.is_set():
                break
            begun = time.monotonic()
            try:
                if connection is None:
                    address = self._resolved()
                    connection = connect(address, self.who, database=self.database, timeout=_TIMEOUT)
                written = transaction(connection, turn)
            except (pymysql.err.MySQLError, OSError) as error:
                self._errors[_named(error)] += 1
                connection = self._kept(connection, address, error)
                self._stopping.wait(_PAUSE)
                continue
            except BaseException as error:
                self._broken.append(error)
                raise
            now, wall = time.monotonic(), time.time()
            for write in (Write(str(row), number, now, wall) for row in written):
                self._log.append(write)
                if self.acknowledge is not None:
                    self.acknowledge(write)
            self._stopping.wait(max(0.0, self.every - (time.monotonic() - begun)))
        _drop(connection)

    def _resolved(self) -> Address:
        return self.where() if callable(self.where) else self.where

    def _short(self, connection: Connection, turn: int) -> list[int]:
        return self._transaction(connection, 1 if turn % _BATCH_EVERY else _BATCH, pause=0.0)

    def _long(self, connection: Connection, _turn: int) -> list[int]:
        return self._transaction(connection, _LONG_ROWS, pause=_LONG_PAUSE)

    def _transaction(self, connection: Connection, rows: int, *, pause: float) -> list[int]:
        """Insert so many rows in one transaction and return their numbers: the server said that they are committed."""
        numbers = [next(self._numbers) for _ in range(rows)]
        with connection.cursor() as cursor:
            if rows > 1:
                connection.begin()
            for place, number in enumerate(numbers):
                if place:
                    self._stopping.wait(pause)
                cursor.execute(self.insert, (number, f"{number} ✓ 🦊"))
            if rows > 1:
                connection.commit()
        return numbers

    def _kept(
        self, connection: Connection | None, address: Address | None, error: Exception
    ) -> Connection | None:
        """Keep a connection on which a write was refused, while the name still leads there; drop any other."""
        if connection is None:
            return None
        refused = isinstance(error, pymysql.err.MySQLError) and error.args and error.args[0] in _READ_ONLY
        try:
            if refused and self._resolved() == address:
                connection.rollback()
                return connection
        except (pymysql.err.MySQLError, OSError) as failure:
            self._errors[_named(failure)] += 1
        _drop(connection)
        return None


def account_for(acknowledged: Sequence[Write], present: Iterable[str]) -> Accounting:
    """Compare what was acknowledged with the tokens that the table holds."""
    counts = Counter(present)
    tokens = [write.token for write in acknowledged]
    return Accounting(
        acknowledged=len(tokens),
        lost=tuple(token for token in tokens if token not in counts),
        duplicates=tuple(sorted(token for token, times in counts.items() if times > 1)),
        unacknowledged=len(counts.keys() - set(tokens)),
    )


def longest_gap(moments: Iterable[float], begin: float, end: float) -> Gap:
    """Return the longest stretch of ``begin`` to ``end`` without a moment in it.

    The edges count: a writer that never came back has a gap that lasts until ``end``.
    """
    inside = sorted(moment for moment in moments if begin < moment < end)
    edges = [begin, *inside, end]
    return max((Gap(a, b) for a, b in itertools.pairwise(edges)), key=lambda gap: gap.seconds)


def _drop(connection: Connection | None) -> None:
    """Close a connection whatever state it is in; a transaction on it is rolled back by the server."""
    if connection is not None and connection.open:
        connection.close()


def _named(error: Exception) -> str:
    if isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1:
        return f"{error.args[0]} {error.args[1]}"
    return str(error)
