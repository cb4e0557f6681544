from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql
import pytest

from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse import writer as subject
from rds_encrypt.rehearse.client import Address
from rds_encrypt.rehearse.writer import Writer

OLD = Address("192.0.2.1", 3306, Path("ca.pem"))
NEW = Address("192.0.2.2", 3306, Path("ca.pem"))


class Server:
    """What the writer's connections reach: addresses that take writes, refuse them, or break."""

    def __init__(self) -> None:
        self.fenced: set[Address] = set()
        self.rows: list[tuple[Address, int]] = []
        self.connected: list[Address] = []
        self.commits_lost = 0

    def connect(self, where: Address, _who: Credentials, **_options: Any) -> Connection:
        self.connected.append(where)
        return Connection(self, where)


class Connection:
    def __init__(self, server: Server, where: Address) -> None:
        self.server, self.where, self.open = server, where, True
        self.uncommitted: list[int] | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def cursor(self) -> Connection:
        return self

    def begin(self) -> None:
        self.uncommitted = []

    def execute(self, _statement: str, arguments: tuple[int, str]) -> None:
        if self.where in self.server.fenced:
            raise pymysql.err.OperationalError(1290, "read_only")
        if self.uncommitted is None:
            self.server.rows.append((self.where, arguments[0]))
        else:
            self.uncommitted.append(arguments[0])

    def commit(self) -> None:
        if self.server.commits_lost:
            self.server.commits_lost -= 1
            raise pymysql.err.OperationalError(2013, "Lost connection")
        self.server.rows += [(self.where, number) for number in self.uncommitted or ()]
        self.uncommitted = None

    def rollback(self) -> None:
        self.uncommitted = None

    def close(self) -> None:
        self.open = False


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    fake = Server()
    monkeypatch.setattr(subject, "connect", fake.connect)
    return fake


def make(resolve: subject.Resolve, connections: int = 2) -> Writer:
    return Writer(resolve, Credentials("app", "secret"), "shop", connections=connections, long_connections=0)


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_numbers_are_unique_and_acknowledged_only_if_they_are_there(server: Server) -> None:
    writer = make(lambda: OLD)
    with writer.writing():
        wait_until(lambda: len(writer.acknowledged) >= 20)

    tokens = [write.token for write in writer.acknowledged]
    assert len(tokens) == len(set(tokens))
    assert sorted(tokens) == sorted(str(number) for _, number in server.rows)


def test_a_transaction_whose_commit_is_lost_is_neither_acknowledged_nor_repeated(server: Server) -> None:
    server.commits_lost = 1
    writer = make(lambda: OLD, connections=1)
    with writer.writing():
        wait_until(lambda: len(writer.acknowledged) >= 10)

    numbers = [int(write.token) for write in writer.acknowledged]
    assert writer.errors["2013 Lost connection"] == 1
    assert set(range(1, max(numbers) + 1)) - set(numbers) != set()
    assert sorted(numbers) == sorted(number for _, number in server.rows)


def test_a_refused_write_keeps_its_connection_until_the_name_leads_elsewhere(server: Server) -> None:
    leads_to = OLD
    writer = make(lambda: leads_to, connections=1)
    with writer.writing():
        wait_until(lambda: len(writer.acknowledged) >= 3)
        server.fenced.add(OLD)
        wait_until(lambda: writer.errors.total() >= 3)
        assert server.connected == [OLD]
        leads_to = NEW
        rows = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) >= rows + 3)

    assert server.connected == [OLD, NEW]
    assert server.rows[-1][0] == NEW


def test_an_error_that_no_application_gets_over_is_not_swallowed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: Any, **_options: Any) -> None:
        raise TypeError("a mistake of ours")

    monkeypatch.setattr(subject, "connect", broken)
    monkeypatch.setattr("threading.excepthook", lambda _arguments: None)
    writer = make(lambda: OLD, connections=1)
    with writer.writing():
        pass
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        _ = writer.acknowledged
