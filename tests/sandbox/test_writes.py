"""Proofs about writes, on real servers: who slips past `read_only`, what is prepared, sessions that end by themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from foundation.errors import AccountLocked, MigrationError, NeedsHuman
from replication import accounts, writes
from replication.session import Credentials, Endpoint, Session, Tls, connect
from sandbox.mysql import MySQLServer
from sandbox.mysql.sessions import execute
from tests.sandbox.mysql_support import MASTER, PASSWORD, VERSIONS, Farm

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=VERSIONS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Farm, MySQLServer]]:
    with Farm.open(tmp_path_factory.mktemp("writes"), request.param) as farm:
        yield farm, farm.new()


@pytest.fixture
def session(place: tuple[Farm, MySQLServer]) -> Iterator[Session]:
    with opened(place) as session:
        yield session


@contextmanager
def opened(place: tuple[Farm, MySQLServer]) -> Iterator[Session]:
    farm, server = place
    endpoint = Endpoint(server.address, 3306)
    with connect(endpoint, Credentials(MASTER, PASSWORD), Tls(str(farm.directory / "ca.pem"))) as session:
        yield session


def test_a_server_with_ordinary_accounts_stops_them_all(session: Session) -> None:
    assert writes.unfenceable_accounts(session) == []


def test_a_role_may_give_what_slips_past(place: tuple[Farm, MySQLServer], session: Session) -> None:
    if session.version < (8, 0, 0):
        pytest.skip("5.7 has no roles")
    with place[1].admin() as host:
        for statement in (
            "CREATE ROLE operators, seniors",
            "GRANT CONNECTION_ADMIN ON *.* TO operators",
            "GRANT operators TO seniors",
            "CREATE USER kim, lee",
            "GRANT seniors TO kim",
        ):
            execute(host, statement)
    assert writes.unfenceable_accounts(session) == ["kim@%"]
    assert {str(account) for account in accounts.of_applications(session)} >= {"kim@%", "lee@%"}
    assert "operators@%" not in map(str, accounts.of_applications(session))


def test_a_prepared_transaction_is_seen_once_its_session_is_gone(
    place: tuple[Farm, MySQLServer], session: Session
) -> None:
    session.execute("CREATE TABLE shop.prepared (id INT PRIMARY KEY)")
    with opened(place) as other:
        for statement in (
            "XA START 'x'",
            "INSERT INTO shop.prepared VALUES (1)",
            "XA END 'x'",
            "XA PREPARE 'x'",
        ):
            other.execute(statement)
        assert writes.end_writing_sessions(session) == 1
        with pytest.raises(NeedsHuman, match="a prepared"):
            writes.require_settled(session, deadline=1.0)
        assert writes.prepared_transactions(session) == 1
    session.execute("XA ROLLBACK 'x'")
    writes.require_settled(session, deadline=1.0)
    assert writes.prepared_transactions(session) == 0


def test_sessions_that_come_and_go_are_ended_without_an_error(
    place: tuple[Farm, MySQLServer], session: Session
) -> None:
    """Between the look and the kill most of them have gone by themselves."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            try:
                with opened(place) as other:
                    other.value("SELECT 1")
            except MigrationError:
                continue  # being ended is what it is there for

    clients = [threading.Thread(target=come_and_go) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        ended = sum(writes.end_application_sessions(session) for _ in range(100))
    finally:
        over.set()
        for client in clients:
            client.join()
    assert ended > 0


def test_a_locked_account_is_told_so(place: tuple[Farm, MySQLServer], session: Session) -> None:
    probe = accounts.issue_probe(session)
    farm, server = place
    tls = Tls(str(farm.directory / "ca.pem"))
    with connect(Endpoint(server.address, 3306), probe, tls) as other:
        assert other.value("SELECT 1") == 1
    found = {str(account): account for account in accounts.of_applications(session)}
    accounts.lock(session, found["rds_encrypt_probe@%"])
    with pytest.raises(AccountLocked, match="3118"), connect(Endpoint(server.address, 3306), probe, tls):
        raise AssertionError("it came in")
    accounts.unlock(session, found["rds_encrypt_probe@%"])
    with connect(Endpoint(server.address, 3306), probe, tls) as other:
        assert other.value("SELECT 1") == 1
    accounts.drop_probe(session)
    assert "rds_encrypt_probe@%" not in map(str, accounts.of_applications(session))
