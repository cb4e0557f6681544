"""Proofs about writes, on real servers: who slips past `read_only`, what is prepared, sessions that end by themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pymysql
import pytest

from dev.sandbox.mysql import MySQLServer
from dev.sandbox.mysql.sessions import end_those_of, execute
from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import AccountLocked, ActionRequired, MigrationError
from rds_encrypt.cutover.account_fence import AccountFence
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import accounts, channel, connected_clients, lag, writes
from rds_encrypt.mysql.coordinates import current
from rds_encrypt.mysql.session import Credentials, Endpoint, Session, Tls, connect
from rds_encrypt.rehearse.client import Address
from tests.sandbox.mysql_support import ALL_WORDS, GIVEN, MASTER, PASSWORD, Farm
from tests.sandbox.slow_login import logging_in
from tests.unit.fakes import FakeAws, instance
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=ALL_WORDS)
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
    with place[1].admin() as host:
        execute(host, "SET GLOBAL mandatory_roles = 'seniors'")
        assert {"kim@%", "lee@%"} <= set(writes.unfenceable_accounts(session))
        assert "rdsadmin@localhost" not in writes.unfenceable_accounts(session)
        execute(host, "SET GLOBAL mandatory_roles = DEFAULT")


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
        with pytest.raises(ActionRequired, match="a prepared"):
            writes.require_settled(session, deadline=1.0)
        assert writes.prepared_transactions(session) == 1
    session.execute("XA ROLLBACK 'x'")
    writes.require_settled(session, deadline=1.0)
    assert writes.prepared_transactions(session) == 0


def test_a_server_that_waits_to_become_read_only_is_seen(
    place: tuple[Farm, MySQLServer], session: Session
) -> None:
    def close() -> None:
        with place[1].admin() as host:
            execute(host, "SET GLOBAL read_only = 1")

    closing = threading.Thread(target=close)
    session.execute("CREATE TABLE shop.locked (id INT PRIMARY KEY)")
    try:
        with opened(place) as other:
            other.execute("LOCK TABLES shop.locked WRITE")
            assert not writes.read_only_waits(session)
            closing.start()
            until(lambda: writes.read_only_waits(session), what="the server to wait")
            assert not writes.read_only(session)
        until(lambda: writes.read_only(session), what="read_only")
        assert not writes.read_only_waits(session)
    finally:
        closing.join(30)
        with place[1].admin() as host:
            execute(host, "SET GLOBAL read_only = 0")


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
    until(lambda: writes.end_application_sessions(session), lambda left: left == 0)


def test_a_locked_account_is_told_so(place: tuple[Farm, MySQLServer], session: Session) -> None:
    probe = accounts.issue_probe(session)
    farm, server = place
    tls = Tls(str(farm.directory / "ca.pem"))
    with connect(Endpoint(server.address, 3306), probe, tls) as other:
        assert other.value("SELECT 1") == 1
    applications = {str(account): account for account in accounts.of_applications(session)}
    accounts.lock(session, applications["rds_encrypt_probe@%"])
    with pytest.raises(AccountLocked, match="3118"), connect(Endpoint(server.address, 3306), probe, tls):
        raise AssertionError("it came in")
    accounts.unlock(session, applications["rds_encrypt_probe@%"])
    with connect(Endpoint(server.address, 3306), probe, tls) as other:
        assert other.value("SELECT 1") == 1
    accounts.drop_probe(session)
    assert "rds_encrypt_probe@%" not in map(str, accounts.of_applications(session))


def test_a_login_that_began_before_its_account_was_locked_is_ended(
    place: tuple[Farm, MySQLServer], session: Session
) -> None:
    """MySQL reads the lock when a login begins. 8.0.31 shows no list of sessions meanwhile, so there a login ends first, in 10 s."""
    farm, server = place
    where, slow = Address(server.address, 3306, farm.directory / "ca.pem"), Credentials("slow", PASSWORD)
    session.execute("CREATE USER slow IDENTIFIED BY %s", PASSWORD)
    (account,) = (account for account in accounts.of_applications(session) if account.user == "slow")
    with logging_in(where, slow) as (login, go_on):
        accounts.lock(session, account)
        go_on.set()
        assert login.result(10).query("SELECT 1") == 1, "MySQL refuses it"
        login.result().close()
    accounts.unlock(session, account)
    with logging_in(where, slow) as (login, go_on):
        fenced = instance(tags={Tag.FENCE_BEFORE: AccountFence.kind})
        AccountFence(Instances(FakeAws(fenced)), LocksOut(), fenced.resource_id).apply(session, deadline=30)
        go_on.set()
        with pytest.raises(pymysql.err.MySQLError):
            login.result(10).query("SELECT 1")
    session.execute("DROP USER slow")


class LocksOut(Access):
    """Access to an instance that refuses locked accounts."""

    def __init__(self) -> None:
        """Ask for nothing."""

    def locks_out(self, instance: Instance, account: Credentials) -> bool:
        return True


def test_replication_and_rds_s_own_threads_are_no_applications(
    place: tuple[Farm, MySQLServer], session: Session
) -> None:
    """An applier in the middle of a transaction is in every list of threads, and RDS's procedure would end it."""
    farm, server = place
    with opened(place) as application:
        follower_place = farm.directory / "applier"
        server.copy_data(follower_place)
        follower = farm.adopt(follower_place)
        follower.start(GIVEN, binlog=True)
        follower.replicate_from(server)
        with (
            connect(
                Endpoint(follower.address, 3306),
                Credentials(MASTER, PASSWORD),
                Tls(str(farm.directory / "ca.pem")),
            ) as behind,
            follower.admin() as host,
        ):
            application.execute("CREATE TABLE shop.applied (id INT PRIMARY KEY)")
            until(lambda: behind.rows("SHOW TABLES FROM shop LIKE 'applied'"), bool)
            # A lock of RDS's own keeps the applier in its transaction.
            execute(host, "BEGIN")
            execute(host, "INSERT INTO shop.applied VALUES (2)")
            application.execute("INSERT INTO shop.applied VALUES (1), (2)")
            # Not by innodb_trx: who looks there more often than ten times a second sees the same.
            applying = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'system user' AND state = 'update'"
            until(lambda: behind.value(applying), lambda n: int(n) == 1)
            time.sleep(0.2)
            assert int(behind.value("SELECT COUNT(*) FROM information_schema.innodb_trx")) == 2
            assert lag.tables_in_use(behind) == ["shop.applied"]
            assert connected_clients.application_sessions(behind) == []
            assert writes.end_writing_sessions(behind) == 0
            assert writes.end_application_sessions(behind) == 0
            time.sleep(0.2)
            assert writes.long_transactions(behind, -1) == []
            execute(host, "ROLLBACK")
            until(lambda: behind.value("SELECT COUNT(*) FROM shop.applied"), lambda n: int(n) == 2)
            assert channel.status(behind) is not None


def test_a_receiver_that_has_given_up_connecting_is_started_again(
    place: tuple[Farm, MySQLServer], session: Session
) -> None:
    """From 8.4 on that takes ten attempts by default; here it takes one, on every version."""
    farm, server = place
    copied = farm.directory / "given-up"
    server.copy_data(copied)
    follower = farm.adopt(copied)
    follower.start(GIVEN, binlog=True)
    source, tls = Endpoint(server.address, 3306), Tls(str(farm.directory / "ca.pem"))
    with (
        connect(Endpoint(follower.address, 3306), Credentials(MASTER, PASSWORD), tls) as behind,
        follower.admin() as host,
        server.admin() as beside,
    ):
        account = accounts.issue(session, accounts.REPLICATION_USER)
        channel.attach(behind, source, account, current(session))
        execute(host, "CHANGE MASTER TO MASTER_RETRY_COUNT = 1")
        channel.start(behind)
        execute(beside, f"ALTER USER '{account.user}'@'%' ACCOUNT LOCK")
        end_those_of(beside, account.user)
        given_up = until(lambda: channel.status(behind), lambda state: state is not None and state.gave_up)
        assert str(given_up).startswith("stopped at ")
        failure = given_up.failure(Endpoint(follower.address, 3306)) if given_up else None
        assert failure is not None
        assert "it could not connect to the source for so long that MySQL has given up" in str(failure)

        execute(beside, f"ALTER USER '{account.user}'@'%' ACCOUNT UNLOCK")
        channel.resume(behind)
        status = channel.status(behind)
        assert status is not None
        assert status.running
        channel.detach(behind)


def test_a_statement_with_an_emoji_hides_nobody(place: tuple[Farm, MySQLServer], session: Session) -> None:
    """While it runs, 9.7 refuses to read information_schema's lists of processes and of transactions."""
    with opened(place) as application:
        application.execute("CREATE TABLE IF NOT EXISTS shop.moods (id INT PRIMARY KEY)")
        application.execute("BEGIN")
        application.execute("INSERT INTO shop.moods VALUES (1)")
        thread = application.value("SELECT CONNECTION_ID()")
        client = threading.Thread(target=_until_ended, args=(application, "SELECT SLEEP(1), '🦊'"))
        client.start()
        time.sleep(0.2)
        assert connected_clients.application_sessions(session) == [thread]
        assert [transaction.split()[0] for transaction in writes.long_transactions(session, -1)] == [
            str(thread)
        ]
        assert writes.end_application_sessions(session) == 1
        client.join()


def _until_ended(application: Session, statement: str) -> None:
    with suppress(MigrationError):
        application.rows(statement)


def test_a_thread_that_rds_protects_is_left_alone(session: Session) -> None:
    """Between a look and the kill a number may have gone to one of RDS's own threads, or to nobody."""
    rds = session.value("SELECT id FROM information_schema.processlist WHERE user = 'rdsadmin' LIMIT 1")
    for thread in (rds, 999_999_999):
        if thread is not None:
            writes._end(session, int(thread))
