"""The application of the bench: short and long transactions over several connections, and a log of what was acknowledged.

It behaves as a sound application would: it asks for the address whenever it connects, connects again at once when a
connection breaks or the address has changed, and never repeats a write whose outcome it does not know.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pymysql

from dev.demo.database import Account, Address, Connection, connect
from dev.demo.writer import Write

__all__ = ["TABLE", "Resolve", "Writer", "make_table", "numbers_in"]

TABLE = "numbered_writes"
# Numbers are unique by the writer's doing, not by the table's: a write that arrives twice must be able to show.
_CREATE = f"""CREATE TABLE {TABLE} (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    number BIGINT UNSIGNED NOT NULL,
    payload VARCHAR(100) NOT NULL,
    KEY (number)
) DEFAULT CHARSET=utf8mb4"""
_INSERT = f"INSERT INTO {TABLE} (number, payload) VALUES (%s, %s)"  # noqa: S608 - a constant
_EVERY = 0.03
"""Seconds between the beginnings of two short transactions on one connection."""
_PAUSE = 0.02
"""Seconds until the next attempt after an error: at once, without burning a processor that the database needs."""
_TIMEOUT = 5.0
_BATCH_EVERY, _BATCH = 5, 3
"""Every fifth short transaction has three rows; the others are single inserts in autocommit mode."""
_LONG_ROWS, _LONG_PAUSE = 9, 0.5
"""The long transactions: rows, and seconds between two of them; four seconds in all, one after the other."""
_READ_ONLY = {1290, 1792, 1836}

Resolve = Callable[[], Address]
"""Tells the address that the application's name for its database has now."""


@dataclass
class Writer:
    """Writes numbered rows under a name until it is told to stop."""

    resolve: Resolve
    who: Account
    database: str
    connections: int = 8
    long_connections: int = 1
    _log: list[Write] = field(default_factory=list, repr=False)
    _errors: Counter[str] = field(default_factory=Counter, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)
    _broken: list[BaseException] = field(default_factory=list, repr=False)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Write for the length of a ``with`` block."""
        kinds = [self._short] * self.connections + [self._long] * self.long_connections
        threads = [
            threading.Thread(
                target=self._run, args=(number, kind), name=f"bench-writer-{number}", daemon=True
            )
            for number, kind in enumerate(kinds)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join(2 * _TIMEOUT)

    @property
    def acknowledged(self) -> list[Write]:
        """What was acknowledged so far, in the order of the acknowledgements.

        Raises:
            RuntimeError: a connection met an error that no application would get over.
        """
        if self._broken:
            raise RuntimeError(f"the writer broke: {self._broken[0]}") from self._broken[0]
        # Appends are atomic, so a copy is consistent; threads may append out of order by microseconds.
        return sorted(self._log, key=lambda write: write.monotonic)

    @property
    def errors(self) -> Counter[str]:
        """How often the application saw which error."""
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
                    address = self.resolve()
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
            self._log.extend(Write(str(row), number, now, wall) for row in written)
            self._stopping.wait(max(0.0, _EVERY - (time.monotonic() - begun)))
        _drop(connection)

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
                cursor.execute(_INSERT, (number, f"{number} ✓ 🦊"))
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
            if refused and self.resolve() == address:
                connection.rollback()
                return connection
        except (pymysql.err.MySQLError, OSError) as trouble:
            self._errors[_named(trouble)] += 1
        _drop(connection)
        return None


def make_table(connection: Connection) -> None:
    """Make the table that the writer fills."""
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)


def numbers_in(connection: Connection) -> list[str]:
    """Return the numbers that arrived, as often as they did."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT number FROM {TABLE}")  # noqa: S608 - a constant
        return [str(row["number"]) for row in cursor.fetchall()]


def _drop(connection: Connection | None) -> None:
    """Close a connection whatever state it is in; a transaction on it is rolled back by the server."""
    if connection is not None and connection.open:
        connection.close()


def _named(error: Exception) -> str:
    if isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1:
        return f"{error.args[0]} {error.args[1]}"
    return str(error)
