"""What a preview finds out by asking MySQL, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.sandbox.mysql import MySQLServer
from dev.sandbox.mysql.sessions import execute
from rds_encrypt.check import Finding, Scope, Severity
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.checks.run import mysql_findings
from rds_encrypt.discovery import Topology
from rds_encrypt.mysql.privileges import NEEDED, grants, lacking, revoked
from rds_encrypt.mysql.session import Session
from rds_encrypt.names import Names
from rds_encrypt.phases import Method
from rds_encrypt.verification.definitions import read_definitions
from tests.sandbox.mysql_support import VERSIONS, Farm
from tests.sandbox.verification_support import session
from tests.unit.fakes import FakeAws, instance
from tests.unit.test_findings import Around

ROLE = "rds_superuser_role"
"""The role through which the sandbox, like RDS, gives the master user of 8.0 all rights."""


@pytest.fixture(scope="module", params=VERSIONS)
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[MySQLServer]:
    with Farm.open(tmp_path_factory.mktemp("findings"), request.param) as farm:
        yield farm.new()


@pytest.fixture
def master(server: MySQLServer) -> Iterator[Session]:
    with session(server, database="shop") as opened:
        opened.execute("DROP DATABASE shop")
        opened.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
        opened.execute("USE shop")
        yield opened


def context(method: Method = "online") -> CheckContext:
    source = instance()
    plan = Plan("replicate", method, Topology(Names("orders"), source, None))
    return CheckContext(FakeAws(source), Around(), plan)


def findings(opened: Session, *severities: Severity, method: Method = "online") -> list[Finding]:
    return [
        finding
        for finding in mysql_findings(context(method), opened, [Scope.FIRST_PREVIEW])
        if finding.severity in severities
    ]


def test_an_ordinary_source_has_nothing_to_act_on_and_answers_everything(master: Session) -> None:
    master.execute("CREATE TABLE items (id INT PRIMARY KEY)")
    assert findings(master, *Severity) == []


def test_memory_tables_with_rows_are_named_with_their_rows(master: Session) -> None:
    master.execute("CREATE TABLE sessions (id INT PRIMARY KEY) ENGINE = MEMORY")
    master.execute("CREATE TABLE `of % one` (id INT PRIMARY KEY) ENGINE = MEMORY")
    assert findings(master, Severity.WARNING) == []
    master.execute("INSERT INTO `of % one` VALUES (1)")
    master.execute("INSERT INTO sessions VALUES (1), (2), (3)")
    (warning,) = findings(master, Severity.WARNING)
    assert warning.what == "it has 2 MEMORY tables with rows: shop.of % one (1 row), shop.sessions (3 rows)"
    assert "error 1032" in warning.why
    (warning,) = findings(master, Severity.WARNING, method="offline")
    assert "1032" not in warning.why


def test_tables_without_a_key_are_counted_and_the_largest_comes_first(master: Session) -> None:
    master.execute("CREATE TABLE little (a INT)")
    master.execute("CREATE TABLE large (a CHAR(250))")
    master.execute("INSERT INTO large VALUES ('x')")
    for _ in range(9):
        master.execute("INSERT INTO large SELECT a FROM large")
    master.execute("ANALYZE TABLE little, large")
    (warning,) = findings(master, Severity.WARNING)
    assert warning.what == "it has 2 tables without a primary key: shop.large, shop.little"


def needs_roles(master: Session) -> None:
    if master.version < (8, 0, 0):
        pytest.skip("5.7 has no roles")


@contextmanager
def through_a_role(server: MySQLServer, *, default: bool) -> Iterator[Session]:
    """A session of a user who has nothing but the master user's role."""
    with server.admin() as admin:
        execute(admin, "CREATE USER boss@'%' IDENTIFIED BY 'a secret'")
        execute(admin, f"GRANT {ROLE} TO boss@'%' WITH ADMIN OPTION")
        if default:
            execute(admin, "SET DEFAULT ROLE ALL TO boss@'%'")
        try:
            with session(server, user="boss", password="a secret") as opened:
                yield opened
        finally:
            execute(admin, "DROP USER boss@'%'")


@pytest.mark.parametrize("default", [True, False], ids=["active at login", "not active at login"])
def test_what_a_master_user_has_through_a_role_counts(
    server: MySQLServer, master: Session, *, default: bool
) -> None:
    needs_roles(master)
    master.execute("CREATE TABLE items (id INT PRIMARY KEY, e ENUM('a','😀'))")
    with through_a_role(server, default=default) as boss:
        assert boss.value("SELECT select_priv FROM mysql.user WHERE user = 'boss'") == "N"
        assert findings(boss, *Severity) == []
        assert "'😀'" in read_definitions(boss)["table", "shop.items"]


def test_what_partial_revokes_take_away_is_named(server: MySQLServer, master: Session) -> None:
    needs_roles(master)
    if master.version < (8, 0, 16):
        pytest.skip("partial_revokes came with 8.0.16")
    with server.admin() as host:
        for statement in (
            "SET GLOBAL partial_revokes = ON",
            "CREATE USER part@'%' IDENTIFIED BY 'a secret'",
            f"GRANT {', '.join(NEEDED)} ON *.* TO part@'%'",
            "REVOKE SELECT, EVENT ON shop.* FROM part@'%'",
            "REVOKE EVENT, TRIGGER ON mysql.* FROM part@'%'",
        ):
            execute(host, statement)
        try:
            with session(server, user="part", password="a secret") as opened:
                granted = grants(opened)
                assert lacking(granted) == []
                assert revoked(granted) == ["SELECT on shop", "EVENT on shop"]
        finally:
            execute(host, "DROP USER part@'%'")
            execute(host, "SET GLOBAL partial_revokes = OFF")


def test_an_account_of_its_own_that_lacks_privileges_is_told(server: MySQLServer, master: Session) -> None:
    master.execute("CREATE USER little@'%' IDENTIFIED BY 'a secret'")
    master.execute("GRANT SELECT, PROCESS, REPLICATION CLIENT ON *.* TO little@'%'")
    try:
        with session(server, user="little", password="a secret") as opened:
            (warning,) = findings(opened, Severity.WARNING)
    finally:
        master.execute("DROP USER little@'%'")
    assert "lacks REPLICATION SLAVE, SHOW VIEW, CREATE USER, EVENT, TRIGGER on *.*" in warning.what
    assert "rds_encrypt/policies/mysql-grants.sql" in warning.fix
