"""The applications of a trial: writers under the name, and probers that knock at both instances, whatever they are called.

Each acknowledged write proves that one server took a write at some instant between its beginning and its end. The server
says who it is in the same breath, so a rename fools nobody.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pymysql

from dev.workload.database import rows, value
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, Connection, connect

__all__ = ["TABLE", "Ack", "Traffic", "create_table"]

TABLE = "trials"
_INSERT = f"INSERT INTO {TABLE} (trial, token, batch) VALUES (%s, %s, %s)"
_WRITE_EVERY, _PROBE_EVERY, _RETRY = 0.03, 0.05, 0.03
_TIMEOUT = 3.0
_REFUSED = {1290, 1792}
_BATCH_EVERY, _BATCH = 4, 3
# Held open over a whole cutover now and then: it must be ended, never acknowledged on the primary side.
_LONG_EVERY, _LONG = 40, 1.0

Locate = Callable[[], Address | None]


@dataclass(frozen=True)
class Ack:
    """One acknowledged row. `batch` is shared by the rows of one transaction."""

    trial: int
    token: str
    batch: str
    server: str
    began: float
    ended: float


def create_table(connection: Connection) -> None:
    # No unique key on the token: a write that is executed twice must show as two rows.
    rows(
        connection,
        f"CREATE TABLE {TABLE} (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, trial INT NOT NULL,"
        " token VARCHAR(64) CHARACTER SET ascii NOT NULL, batch VARCHAR(64) CHARACTER SET ascii NOT NULL,"
        " KEY (trial), KEY (token))",
    )


class Traffic:
    """All clients together; `trial` says to which trial the writes from now on belong."""

    def __init__(self, who: Credentials, database: str) -> None:
        self.trial = 0
        self.errors: Counter[str] = Counter()
        self._who = who
        self._database = database
        self._acks: list[Ack] = []
        self._numbers: Iterator[int] = itertools.count()
        self._stopping = threading.Event()
        self._broken: list[BaseException] = []

    @contextmanager
    def flowing(self, writers: list[Locate], probers: list[Locate]) -> Iterator[Traffic]:
        """Let all clients work for the length of a `with` block."""
        threads = [
            threading.Thread(target=self._run, args=(locate, pause, probing), daemon=True)
            for clients, pause, probing in ((writers, _WRITE_EVERY, False), (probers, _PROBE_EVERY, True))
            for locate in clients
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join(2 * _TIMEOUT)

    def acks(self, trial: int | None = None) -> list[Ack]:
        """Return what was acknowledged so far."""
        if self._broken:
            raise RuntimeError(f"a client broke: {self._broken[0]}") from self._broken[0]
        return [ack for ack in list(self._acks) if trial is None or ack.trial == trial]

    def wait_for(self, server: str, after: float, deadline: float) -> bool:
        """Wait until a write that began after a moment of the monotonic clock was acknowledged by a server."""
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            if any(ack.server == server and ack.began > after for ack in self.acks()[-400:]):
                return True
            time.sleep(0.05)
        return False

    def _run(self, locate: Locate, pause: float, probing: bool) -> None:  # noqa: FBT001 - a thread's arguments
        connection: Connection | None = None
        server, at = "", None
        for turn in itertools.count():
            if self._stopping.is_set():
                break
            began = time.monotonic()
            try:
                where = locate()
                if connection is not None and where != at:
                    _drop(connection)
                    connection = None
                if where is None:
                    self._stopping.wait(_RETRY)
                    continue
                if connection is None:
                    connection, at = (
                        connect(where, self._who, database=self._database, timeout=_TIMEOUT),
                        where,
                    )
                    server = str(value(connection, "SELECT @@server_uuid"))
                    began = time.monotonic()
                self._write(connection, server, turn, began, probing=probing)
            except (pymysql.err.MySQLError, OSError) as error:
                code = error.args[0] if error.args else 0
                self.errors[str(code)] += 1
                # A refusal leaves the connection as good as it was: held open, it must still be refused later.
                if code not in _REFUSED or not _rolled_back(connection):
                    _drop(connection)
                    connection = None
                self._stopping.wait(_RETRY)
                continue
            except BaseException as error:
                self._broken.append(error)
                raise
            self._stopping.wait(pause)
        _drop(connection)

    def _write(self, connection: Connection, server: str, turn: int, began: float, *, probing: bool) -> None:
        trial = self.trial
        batch = f"{'probe' if probing else 'write'}-{next(self._numbers)}"
        several = not probing and turn % _BATCH_EVERY == 0
        tokens = [f"{batch}-{row}" for row in range(_BATCH if several else 1)]
        with connection.cursor() as cursor:
            if several:
                connection.begin()
            for token in tokens:
                cursor.execute(_INSERT, (trial, token, batch))
            if several:
                if turn % _LONG_EVERY == 0:
                    self._stopping.wait(_LONG)
                connection.commit()
        ended = time.monotonic()
        self._acks.extend(Ack(trial, token, batch, server, began, ended) for token in tokens)


def _rolled_back(connection: Connection | None) -> bool:
    try:
        if connection is not None:
            connection.rollback()
    except (pymysql.err.MySQLError, OSError):
        return False
    return connection is not None


def _drop(connection: Connection | None) -> None:
    """Close a connection whatever state it is in; a transaction on it is rolled back by the server."""
    if connection is not None and connection.open:
        connection.close()
