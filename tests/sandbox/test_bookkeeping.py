"""RDS's heartbeat among an application's writes, in the binlogs of real servers: with and without GTIDs, in each binlog format."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.sandbox.mysql import MySQLServer
from dev.sandbox.mysql.sessions import AdminSession, execute
from rds_encrypt.core.errors import WriteRefused
from rds_encrypt.mysql import writes
from rds_encrypt.mysql.coordinates import current, schema_written_since, wrote_since
from tests.sandbox.mysql_support import VERSIONS, Farm
from tests.sandbox.verification_support import session

pytestmark = pytest.mark.slow

FORMATS = ("ROW", "MIXED", "STATEMENT")
GTIDS = {"gtid_mode": "ON", "enforce_gtid_consistency": "ON"}


@pytest.fixture(scope="module", params=[(version, gtids) for version in VERSIONS for gtids in (False, True)])
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[MySQLServer]:
    version, gtids = request.param
    with Farm.open(tmp_path_factory.mktemp("bookkeeping"), version) as farm:
        server = farm.new(GTIDS if gtids else {})
        with server.admin() as rds, session(server) as opened:
            execute(
                rds,
                "CREATE TABLE IF NOT EXISTS mysql.rds_heartbeat2 (id INT PRIMARY KEY, value BIGINT) ENGINE=InnoDB",
            )
            execute(
                rds,
                "CREATE TABLE IF NOT EXISTS mysql.rds_sysinfo (name VARCHAR(25), value VARCHAR(50)) ENGINE=InnoDB",
            )
            opened.execute("CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
        yield server


def heartbeat(rds: AdminSession, value: int = 1_700_000_000_000, *, like: str = "STATEMENT") -> None:
    execute(rds, f"SET SESSION sql_log_bin = 1, binlog_format = '{like}'")
    execute(
        rds,
        f"INSERT INTO mysql.rds_heartbeat2(id, value) values (1,{value}) ON DUPLICATE KEY UPDATE value = {value}",
    )


def around_a_backup(rds: AdminSession) -> None:
    execute(rds, "SET SESSION sql_log_bin = 1, binlog_format = 'STATEMENT'")
    execute(rds, "DELETE FROM mysql.rds_sysinfo where name = 'innodb_txn_key'")
    execute(
        rds,
        "INSERT INTO mysql.rds_sysinfo(name, value) values ('innodb_txn_key','Thu Nov 15 10:30:07 UTC 2018')",
    )


@pytest.mark.parametrize("like", FORMATS)
def test_what_rds_writes_behind_a_fence_is_no_write(server: MySQLServer, like: str) -> None:
    with server.admin() as rds, session(server) as opened:
        execute(rds, "SET GLOBAL read_only = 1")
        try:
            final = writes.settled_coordinates(opened)
            heartbeat(rds, 1, like=like)
            around_a_backup(rds)
            execute(rds, "FLUSH BINARY LOGS")
            heartbeat(rds, 2, like=like)
            assert current(opened) > final
            assert not wrote_since(opened, final)
            assert writes.settled_coordinates(opened) == current(opened)
        finally:
            execute(rds, "SET GLOBAL read_only = 0")


@pytest.mark.parametrize("binlog_format", FORMATS)
def test_the_end_of_a_session_with_temporary_tables_is_no_write(
    server: MySQLServer, binlog_format: str
) -> None:
    """MySQL drops them then, and may log that: on a server that refuses writes as well."""
    with server.admin() as rds, session(server) as opened:
        with server.admin() as application:
            execute(application, f"SET SESSION sql_log_bin = 1, binlog_format = '{binlog_format}'")
            execute(application, "CREATE TEMPORARY TABLE shop.tmp (id INT)")
            execute(application, "CREATE TEMPORARY TABLE shop.`a ``b` (id INT)")
            execute(application, "INSERT INTO shop.tmp VALUES (1)")
            execute(rds, "SET GLOBAL read_only = 1")
            final = current(opened)
        try:
            writes.settled_coordinates(opened)
            assert not wrote_since(opened, final)
        finally:
            execute(rds, "SET GLOBAL read_only = 0")
        if binlog_format == "STATEMENT":
            assert current(opened) > final


@pytest.mark.parametrize("binlog_format", FORMATS)
def test_a_report_that_fills_temporary_tables_behind_a_fence_is_no_write(
    server: MySQLServer, binlog_format: str
) -> None:
    """read_only allows it, and some formats log it: RDS's default for 5.7, MIXED, does."""
    with server.admin() as rds, session(server) as opened:
        execute(rds, f"SET GLOBAL binlog_format = '{binlog_format}'")
        execute(rds, "SET GLOBAL read_only = 1")
        try:
            final = current(opened)
            with session(server) as application:
                for statement in (
                    "USE shop",
                    "CREATE TEMPORARY TABLE report (id INT)",
                    "INSERT INTO report SELECT id FROM t",
                    "INSERT INTO report VALUES (1), (2)",
                    "UPDATE report SET id = 5",
                    "ALTER TABLE report ADD note TEXT",
                    "DELETE FROM report WHERE id = 5",
                ):
                    application.execute(statement)
                # A write that the fence stops, into a table that everybody sees.
                with pytest.raises(WriteRefused):
                    application.execute("INSERT INTO t (v) VALUES (1)")
            logged = current(opened) > final
            assert not wrote_since(opened, final)
            assert schema_written_since(opened, final) is None
            assert writes.settled_coordinates(opened) == current(opened)
        finally:
            execute(rds, "SET GLOBAL read_only = 0")
            execute(rds, "SET GLOBAL binlog_format = 'ROW'")
    if binlog_format == "STATEMENT" or (binlog_format == "MIXED" and opened.version < (8, 0, 0)):
        assert logged


@pytest.mark.parametrize("binlog_format", FORMATS)
@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO shop.t (v) VALUES (RAND() * 10)",
        "UPDATE shop.t SET v = 1",
        "DELETE FROM shop.t LIMIT 1",
        "CREATE OR REPLACE VIEW shop.v AS SELECT 1",
        "ALTER TABLE shop.t COMMENT = 'x'",
        "CREATE USER IF NOT EXISTS someone IDENTIFIED BY 'a'",
        "DROP USER IF EXISTS someone",
    ],
)
def test_an_application_s_write_among_them_is_found(
    server: MySQLServer, binlog_format: str, write: str
) -> None:
    with server.admin() as rds, server.admin() as application, session(server) as opened:
        execute(application, f"SET SESSION sql_log_bin = 1, binlog_format = '{binlog_format}'")
        # There is something to change, so that a change of rows is logged.
        execute(application, "INSERT INTO shop.t (v) VALUES (7), (8)")
        before = current(opened)
        heartbeat(rds, 3)
        execute(rds, "FLUSH BINARY LOGS")
        heartbeat(rds, 4)
        between = current(opened)
        assert not wrote_since(opened, before)
        execute(application, write)
        heartbeat(rds, 5)
        assert wrote_since(opened, before)
        assert wrote_since(opened, between)
        if write.startswith(("INSERT", "UPDATE", "DELETE")):
            assert schema_written_since(opened, between) == "shop"


@pytest.mark.parametrize("binlog_format", FORMATS)
def test_an_application_s_write_in_the_same_transaction_is_found(
    server: MySQLServer, binlog_format: str
) -> None:
    with server.admin() as rds, session(server) as opened:
        before = current(opened)
        execute(rds, f"SET SESSION sql_log_bin = 1, binlog_format = '{binlog_format}'")
        for statement in (
            "BEGIN",
            "INSERT INTO mysql.rds_heartbeat2(id, value) values (1,6) ON DUPLICATE KEY UPDATE value = 6",
            "INSERT INTO shop.t (v) VALUES (9)",
            "COMMIT",
        ):
            execute(rds, statement)
        assert wrote_since(opened, before)


def test_compressed_transactions_are_read(server: MySQLServer) -> None:
    with server.admin() as rds, session(server) as opened:
        if opened.version < (8, 0, 20):
            pytest.skip("they came with 8.0.20")
        execute(rds, "SET SESSION sql_log_bin = 1, binlog_format = 'ROW', binlog_transaction_compression = 1")
        before = current(opened)
        execute(rds, "UPDATE mysql.rds_heartbeat2 SET value = value + 1")
        assert not wrote_since(opened, before)
        execute(rds, "INSERT INTO shop.t (v) VALUES (10)")
        assert wrote_since(opened, before)
