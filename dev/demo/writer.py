"""A writer that behaves like an application: it knows one name, retries at once, and remembers what was acknowledged."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pymysql

from dev.demo.database import Account, Address, Connection, connect

__all__ = ["TABLE", "Accounting", "Gap", "Write", "Writer", "account_for", "longest_gap"]

TABLE = "writes"
_INSERT = f"INSERT INTO {TABLE} (token, payload) VALUES (%s, %s)"  # noqa: S608 - a constant
_EVERY = 0.03
"""Seconds between the beginnings of two transactions on one connection."""
_PAUSE = 0.02
"""Seconds until the next attempt after an error: at once, without burning a processor that the database needs."""
_TIMEOUT = 5.0
_BATCH_EVERY, _BATCH = 5, 3
"""Every fifth transaction has three rows; the others are single inserts in autocommit mode."""


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
    """Rows whose acknowledgement never reached the writer; the writer was told nothing, so both outcomes are right."""


@dataclass
class Writer:
    """Several connections that insert rows under a name until they are told to stop."""

    where: Address
    who: Account
    database: str
    connections: int = 4
    _log: list[Write] = field(default_factory=list, repr=False)
    _errors: Counter[str] = field(default_factory=Counter, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _sequence: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _unexpected: list[BaseException] = field(default_factory=list, repr=False)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Write for the length of a ``with`` block."""
        threads = [
            threading.Thread(target=self._run, args=(number,), name=f"writer-{number}", daemon=True)
            for number in range(self.connections)
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
        """What was acknowledged so far, in the order of the acknowledgements.

        Raises:
            RuntimeError: a connection met an error that no application would retry.
        """
        if self._unexpected:
            raise RuntimeError(f"the writer broke: {self._unexpected[0]}") from self._unexpected[0]
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
            time.sleep(0.05)
        return False

    def _run(self, number: int) -> None:
        connection: Connection | None = None
        for turn in itertools.count(number):
            begun = time.monotonic()
            if self._stopping.is_set():
                break
            tokens = [
                f"demo-{number}-{next(self._sequence)}" for _ in range(1 if turn % _BATCH_EVERY else _BATCH)
            ]
            try:
                connection = connection or connect(
                    self.where, self.who, database=self.database, timeout=_TIMEOUT
                )
                _insert(connection, tokens)
            except (pymysql.err.MySQLError, OSError) as error:
                self._errors[_named(error)] += 1
                _drop(connection)
                connection = None
                self._stopping.wait(_PAUSE)
                continue
            except BaseException as error:
                self._unexpected.append(error)
                raise
            now, wall = time.monotonic(), time.time()
            self._log.extend(Write(token, number, now, wall) for token in tokens)
            self._stopping.wait(max(0.0, _EVERY - (time.monotonic() - begun)))
        _drop(connection)


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


def _insert(connection: Connection, tokens: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        if len(tokens) > 1:
            connection.begin()
        for token in tokens:
            cursor.execute(_INSERT, (token, f"{token} ✓ 🦊"))
        if len(tokens) > 1:
            connection.commit()


def _drop(connection: Connection | None) -> None:
    """Close a connection whatever state it is in; a transaction on it is rolled back by the server."""
    if connection is not None and connection.open:
        connection.close()


def _named(error: Exception) -> str:
    if isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1:
        return f"{error.args[0]} {error.args[1]}"
    return str(error)
