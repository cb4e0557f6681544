"""A hosted server through its life: start, parameters, copies under load, a move, kills, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from dev.sandbox.mysql import MySQLServer, MySQLServerError, ServerDidNotStart, reap_orphans
from dev.sandbox.mysql.bookkeeping import Bookkeeping
from tests.sandbox.mysql_support import GIVEN, PASSWORD, VERSIONS, Farm, Session, until

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=VERSIONS)
def farm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with Farm.open(tmp_path_factory.mktemp(f"mysql-{request.param}"), request.param) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(farm: Farm) -> MySQLServer:
    """One server for the tests that leave it as they found it: running."""
    return farm.new({"long_query_time": "3.5"})


def test_it_is_set_up_as_on_rds(server: MySQLServer) -> None:
    session = Session(server)
    expected = {
        "log_bin_basename": str(server.data / "mysql-bin-changelog"),
        "binlog_format": "MIXED",
        "log_slave_updates": 1,
        "sql_mode": "NO_ENGINE_SUBSTITUTION",
        "time_zone": "UTC",
        "local_infile": 1,
        "innodb_flush_log_at_trx_commit": 1,
        "gtid_mode": "OFF_PERMISSIVE",
        "server_id": server.server_id,
        "port": server.port,
        "long_query_time": 3.5,
    }
    assert {name: session.value(f"SELECT @@global.{name}") for name in expected} == expected
    assert session.value("SELECT VERSION()").split("-")[0] == server.version
    assert session.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0]["Value"] != ""


def test_no_account_but_rds_s_own_and_the_master_user(server: MySQLServer) -> None:
    users = {
        f"{row['User']}@{row['Host']}" for row in Session(server).rows("SELECT User, Host FROM mysql.user")
    }
    theirs = {user for user in users if not user.startswith("mysql.")}
    idle = ("rdsgrprepladmin", "rdsproxyadmin", "rdsrepladmin_priv_checks_user", "rdstopmgr")
    of_8 = (
        {"rds_superuser_role@%", *(f"{user}@%" for user in idle)}
        if not server.version.startswith("5")
        else set()
    )
    assert theirs == {"admin@%", "rdsadmin@localhost", "rdsrepladmin@%"} | of_8
    assert not (server.directory / "first-start.sql").exists()
    assert (server.data / "rdsadmin.json").stat().st_mode & 0o077 == 0


def test_tls_is_1_2_or_later_and_verified(server: MySQLServer) -> None:
    session = Session(server)
    assert vars(session.connection)["_sock"].version() in {"TLSv1.2", "TLSv1.3"}
    with pytest.raises(pymysql.err.OperationalError, match="certificate"):
        Session(server, ssl_ca=None)
    plain = Session(server, ssl_ca=None, ssl_verify_cert=None, ssl_verify_identity=None, ssl_disabled=True)
    assert plain.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0]["Value"] == ""


def test_the_server_sees_where_a_client_comes_from(server: MySQLServer) -> None:
    assert Session(server).value("SELECT USER()") == "admin@127.0.0.1"


def test_dynamic_parameters_reach_the_server_and_static_ones_wait(server: MySQLServer) -> None:
    session = Session(server)
    given = {
        "binlog-format": "ROW",
        "long_query_time": "1.5",
        "time_zone": "+02:00",
        "innodb_page_size": "8192",
    }
    pending = server.set_parameters({**given, "max_allowed_packet": "4M"})
    assert pending == ["innodb_page_size"]
    seen = session.rows("SELECT @@global.binlog_format f, @@global.long_query_time q, @@global.time_zone z")[
        0
    ]
    assert seen == {"f": "ROW", "q": 1.5, "z": "+02:00"}
    assert server.set_parameters(dict.fromkeys(("binlog_format", "long_query_time", "time_zone"))) == []
    seen = session.rows("SELECT @@global.binlog_format f, @@global.long_query_time q, @@global.time_zone z")[
        0
    ]
    assert seen == {"f": "MIXED", "q": 10.0, "z": "UTC"}
    with pytest.raises(MySQLServerError, match="binlog_format = SIDEWAYS"):
        server.set_parameters({"binlog_format": "SIDEWAYS"})


def test_read_only_stops_everyone_but_the_host(server: MySQLServer) -> None:
    session = Session(server)
    session.rows("CREATE TABLE IF NOT EXISTS held (id INT)")
    server.set_parameters({"read_only": "1"})
    try:
        for statement in (
            "INSERT INTO held VALUES (1)",
            "CREATE TABLE other (id INT)",
            "CREATE USER x",
            "DROP TABLE held",
        ):
            assert session.refusal(statement)[0] == 1290
        session.rows("CALL mysql.rds_set_configuration('binlog retention hours', 24)")
        with server.admin() as admin, admin.cursor() as cursor:
            assert cursor.execute("INSERT INTO shop.held VALUES (2)") == 1
    finally:
        server.set_parameters({"read_only": None})
    session.rows("CALL mysql.rds_set_configuration('binlog retention hours', NULL)")
    session.rows("DROP TABLE held")


def test_a_new_password_and_lost_grants_come_back(server: MySQLServer) -> None:
    server.set_master_password("admin", "another")
    with pytest.raises(pymysql.err.OperationalError):
        Session(server)
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("ALTER USER 'admin'@'%' ACCOUNT LOCK")
        lost = "rds_superuser_role" if not server.version.startswith("5") else "INSERT ON *.*"
        cursor.execute(f"REVOKE {lost} FROM 'admin'@'%'")
    server.set_master_password("admin", PASSWORD)
    session = Session(server)
    session.rows("CREATE TABLE granted (id INT)")
    session.rows("INSERT INTO granted VALUES (1)")
    session.rows("DROP TABLE granted")


def test_a_frozen_server_answers_nobody_until_it_is_thawed(server: MySQLServer) -> None:
    server.freeze()
    with pytest.raises(pymysql.err.OperationalError):
        Session(server, connect_timeout=1, read_timeout=1)
    assert server.running()
    server.thaw()
    assert Session(server).value("SELECT 1") == 1


def test_binlogs_go_when_nothing_holds_them(server: MySQLServer) -> None:
    session = Session(server)

    def files() -> list[str]:
        return [row["Log_name"] for row in session.rows("SHOW BINARY LOGS")]

    session.rows("CALL mysql.rds_set_configuration('binlog retention hours', 1)")
    before = files()
    session.rows("CREATE TABLE written (id INT)")
    assert server.purge_binlogs() == []
    assert files()[:-1] == before
    assert server.purge_binlogs() == []
    assert files()[:-1] == before, "an empty file is not followed by another"
    assert server.purge_binlogs(seconds_per_hour=0.0) == before
    session.rows("DROP TABLE written")
    session.rows("CALL mysql.rds_set_configuration('binlog retention hours', NULL)")
    held = files()
    assert server.purge_binlogs() == held
    assert len(files()) == 1


def test_rds_s_bookkeeping_is_logged_as_statements(server: MySQLServer) -> None:
    session = Session(server)
    assert server.set_parameters({"binlog_format": "ROW", "transaction_isolation": "READ-COMMITTED"}) == []
    server.set_parameters({"read_only": "1"})
    try:
        where = server.coordinates()
        assert where is not None
        assert server.heartbeat(Bookkeeping())
        assert server.heartbeat(Bookkeeping(qualified=False))
        assert server.mark_backup(Bookkeeping())
        quiet = Bookkeeping(under_read_only=False)
        assert not server.heartbeat(quiet)
        assert not server.mark_backup(quiet)
        events = session.rows("SHOW BINLOG EVENTS IN %s FROM %s", where.file, where.position)
        texts = [row["Info"] for row in events if row["Event_type"] == "Query"]
        texts = [text for text in texts if text not in {"BEGIN", "COMMIT"}]
        assert [text.partition(" values ")[0].partition(" where ")[0] for text in texts] == [
            "use `mysql`; INSERT INTO mysql.rds_heartbeat2(id, value)",
            "use `mysql`; INSERT INTO rds_heartbeat2(id, value)",
            "use `mysql`; DELETE FROM mysql.rds_sysinfo",
            "use `mysql`; INSERT INTO mysql.rds_sysinfo(name, value)",
        ]
    finally:
        server.set_parameters(dict.fromkeys(("binlog_format", "transaction_isolation", "read_only")))


def test_a_new_file_begins_with_a_heartbeat(server: MySQLServer) -> None:
    session = Session(server)
    session.rows("CREATE TABLE before_it (id INT)")
    server.purge_binlogs(how=Bookkeeping())
    file = session.rows("SHOW MASTER STATUS")[0]["File"]
    events = session.rows("SHOW BINLOG EVENTS IN %s", file)
    assert "rds_heartbeat2" in [row["Info"] for row in events if row["Event_type"] == "Query"][1]
    session.rows("DROP TABLE before_it")


def test_a_copy_under_load_is_consistent(farm: Farm, server: MySQLServer, tmp_path: Path) -> None:
    session = Session(server)
    session.rows("CREATE TABLE left_one (id INT PRIMARY KEY AUTO_INCREMENT, n INT)")
    session.rows("CREATE TABLE right_one LIKE left_one")
    stop = threading.Event()

    def write() -> None:
        writer = Session(server, autocommit=False)
        number = 0
        while not stop.is_set():
            number += 1
            writer.rows("INSERT INTO left_one (n) VALUES (%s)", number)
            writer.rows("INSERT INTO right_one (n) VALUES (%s)", number)
            writer.connection.commit()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        until(lambda: session.value("SELECT COUNT(*) FROM left_one"), lambda count: count > 50)
        began = time.monotonic()
        server.copy_data(tmp_path / "snapshot")
        took = time.monotonic() - began
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    copy = farm.adopt(tmp_path / "snapshot")
    copy.start(GIVEN, binlog=False)
    restored = Session(copy)
    # Not the ids: a transaction that the copy caught half-way leaves a gap in one table's numbering only.
    sums = "SELECT COUNT(*) c, SUM(n) s, SUM(n * n) q FROM {}"
    assert restored.rows(sums.format("left_one")) == restored.rows(sums.format("right_one"))
    assert restored.value("SELECT COUNT(*) FROM left_one") > 50
    assert copy.server_uuid() != server.server_uuid()
    assert copy.origin() is not None
    assert copy.coordinates() is None
    assert took < 5.0
    copy.stop()
    with pytest.raises(MySQLServerError, match="exists already"):
        server.copy_data(tmp_path / "snapshot")


def test_a_move_keeps_data_and_identity_and_is_vouched_for(farm: Farm, server: MySQLServer) -> None:
    old, uuid = server.address, server.server_uuid()
    with pytest.raises(MySQLServerError, match="stop it before it moves"):
        server.move_to("127.98.9.9")
    Session(server).rows("CREATE TABLE moved (id INT)")
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10.0
    server.move_to(farm.place()["address"])
    server.start(GIVEN, binlog=True)
    assert server.address != old
    assert server.server_uuid() == uuid
    assert Session(server).rows("SELECT * FROM moved") == []
    with pytest.raises(pymysql.err.OperationalError, match="refused"):
        Session(server, host=old)


def test_what_was_acknowledged_survives_a_kill(server: MySQLServer) -> None:
    session = Session(server)
    session.rows("CREATE TABLE kept (id INT)")
    session.rows("INSERT INTO kept VALUES (1)")
    server.kill()
    assert not server.running()
    with pytest.raises(pymysql.err.OperationalError):
        Session(server)
    server.start(GIVEN, binlog=True)
    assert Session(server).value("SELECT COUNT(*) FROM kept") == 1


def test_a_server_that_cannot_start_says_why(server: MySQLServer) -> None:
    server.stop()
    with pytest.raises(ServerDidNotStart, match="binlog_format"):
        server.start({"binlog_format": "SIDEWAYS"}, binlog=True)
    assert not server.running()
    server.start({"character_set_client": "latin1", "performance_schema": "1", **GIVEN}, binlog=True)
    assert Session(server).value("SELECT @@performance_schema") == 1


ORPHANING = """
import sys, time
from pathlib import Path
from tests.sandbox.mysql_support import Farm
farm = Farm(Path(sys.argv[1]), sys.argv[2])
first, second = farm.new(), farm.new()
second.freeze()
print(first.pid, second.pid, flush=True)
time.sleep(600)
"""


def test_orphans_of_a_killed_sandbox_are_found_and_ended(farm: Farm, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANING, str(tmp_path), farm.binaries.version],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert parent.stdout is not None
    pids = {int(pid) for pid in parent.stdout.readline().split()}
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert reap_orphans(tmp_path / "elsewhere") == []
    assert {process.pid for process in reap_orphans(tmp_path)} >= pids
    assert not any(_lives(pid) for pid in pids)
    assert reap_orphans(tmp_path) == []


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
