"""What the master user may do on a hosted server, what RDS withholds, and the procedures that stand in for it."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from dev.sandbox.mysql import MySQLServer
from tests.sandbox.mysql_support import VERSIONS, Farm, Session, until

MAY = (
    "CREATE USER app@'%' IDENTIFIED BY 'p'",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO app@'%'",
    "CREATE USER follower@'%' IDENTIFIED BY 'p'",
    "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO follower@'%'",
    "ALTER USER app@'%' ACCOUNT LOCK",
    "ALTER USER app@'%' ACCOUNT UNLOCK",
    "ALTER USER app@'%' IDENTIFIED BY 'other'",
    "SHOW MASTER STATUS",
    "SHOW SLAVE STATUS",
    "SHOW BINARY LOGS",
    "SHOW FULL PROCESSLIST",
    "SELECT * FROM mysql.rds_configuration",
    "SELECT * FROM mysql.rds_history",
    "SELECT user, host FROM mysql.user",
    "SELECT * FROM performance_schema.replication_connection_status",
    "CREATE DATABASE second",
    "CREATE TABLE second.t (id INT)",
    "CREATE PROCEDURE second.p() SELECT 1",
    "CREATE EVENT second.e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "CREATE VIEW second.v AS SELECT * FROM second.t",
    "LOCK TABLES second.t WRITE",
    "UNLOCK TABLES",
    "DROP DATABASE second",
    "DROP USER app@'%', follower@'%'",
)
MAY_NOT = (
    "SET GLOBAL read_only = 1",
    "SET GLOBAL max_connections = 10",
    "SET GLOBAL event_scheduler = ON",
    "SET GLOBAL binlog_format = ROW",
    "SET SESSION sql_log_bin = 0",
    "SET SESSION binlog_format = ROW",
    "FLUSH TABLES WITH READ LOCK",
    "FLUSH LOGS",
    "PURGE BINARY LOGS BEFORE NOW()",
    "RESET MASTER",
    "CHANGE MASTER TO MASTER_HOST = '127.0.0.1'",
    "START SLAVE",
    "STOP SLAVE",
    "GRANT SUPER ON *.* TO admin@'%'",
    "GRANT RELOAD ON *.* TO admin@'%'",
    "GRANT FILE ON *.* TO admin@'%'",
    "SHUTDOWN",
    "CALL mysql.rds_run('SET GLOBAL read_only = 1')",
)
MAY_NOT_SINCE_8 = (
    "DROP PROCEDURE mysql.rds_kill",
    "DROP USER rdsadmin@localhost",
    "ALTER USER rdsadmin@localhost IDENTIFIED BY 'x'",
    "SET PERSIST max_connections = 10",
    "FLUSH TABLES",
)
# Access denied, of the several kinds; 1243: it could not even be prepared; 4006: it is the definer of procedures.
DENIED = {1044, 1045, 1142, 1143, 1227, 1243, 1370, 4006}


@pytest.fixture(scope="module", params=VERSIONS)
def farm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with Farm.open(tmp_path_factory.mktemp(f"master-{request.param}"), request.param) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(farm: Farm) -> MySQLServer:
    return farm.new()


@pytest.fixture
def master(server: MySQLServer) -> Session:
    return Session(server)


def test_what_it_may(master: Session) -> None:
    for statement in MAY:
        master.rows(statement)


def test_triggers_want_the_server_s_trust_as_on_rds(master: Session, server: MySQLServer) -> None:
    create = "CREATE TRIGGER tr BEFORE INSERT ON trusted FOR EACH ROW SET NEW.id = 1"
    master.rows("CREATE TABLE trusted (id INT)")
    assert master.refusal(create)[0] == 1419
    assert server.set_parameters({"log_bin_trust_function_creators": "1"}) == []
    master.rows(create)
    master.rows("DROP TABLE trusted")
    assert server.set_parameters({"log_bin_trust_function_creators": None}) == []


def test_what_it_may_not(master: Session, farm: Farm) -> None:
    refused = MAY_NOT + (MAY_NOT_SINCE_8 if farm.binaries.series != "5.7" else ())
    answers = {statement: master.refusal(statement) for statement in refused}
    allowed = {statement: error for statement, error in answers.items() if error[0] not in DENIED}
    assert allowed == {}
    assert answers["FLUSH TABLES WITH READ LOCK"][0] in {1045, 1227}
    assert master.value("SELECT @@global.read_only") == 0


def test_it_creates_users_that_cannot_do_more_than_it(master: Session, server: MySQLServer) -> None:
    master.rows("CREATE USER other@'%' IDENTIFIED BY 'p'")
    master.rows("GRANT SELECT, INSERT, CREATE ON *.* TO other@'%'")
    master.rows("GRANT ALL PRIVILEGES ON shop.* TO other@'%'")
    other = Session(server, "other", "p")
    other.rows("CREATE TABLE shop.by_other (id INT)")
    assert other.refusal("SET GLOBAL max_connections = 10")[0] in DENIED
    master.rows("DROP TABLE by_other")
    master.rows("DROP USER other@'%'")


def test_rdsadmin_comes_by_the_socket_only(server: MySQLServer) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        Session(server, "rdsadmin", "anything", database=None)


def test_it_kills_others_through_rds_only(master: Session, server: MySQLServer) -> None:
    master.rows("CREATE USER victim@'%' IDENTIFIED BY 'p'")
    master.rows("GRANT SELECT ON shop.* TO victim@'%'")
    victim = Session(server, "victim", "p")
    identity = victim.value("SELECT CONNECTION_ID()")
    assert master.refusal(f"KILL {identity}")[0] == 1095
    master.rows("CALL mysql.rds_kill_query(%s)", identity)
    assert victim.value("SELECT 1") == 1
    master.rows("CALL mysql.rds_kill(%s)", identity)
    assert victim.refusal("SELECT 1")[0] in {2006, 2013}
    assert master.refusal("CALL mysql.rds_kill(%s)", 999_999)[0] == 1094
    with server.admin() as admin, admin.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID() AS id")
        (row,) = cursor.fetchall()
        code, message = master.refusal("CALL mysql.rds_kill(%s)", row["id"])
    assert (code, message) == (1644, "CANNOT KILL RDSADMIN SESSION")
    master.rows("DROP USER victim@'%'")


def test_retention_hours_are_checked_kept_and_not_replicated(master: Session, server: MySQLServer) -> None:
    before = server.coordinates()
    shown = {row["name"]: row["value"] for row in master.rows("CALL mysql.rds_show_configuration")}
    assert shown == {"binlog retention hours": None, "source delay": "0", "target delay": "0"}
    master.rows("CALL mysql.rds_set_configuration('binlog retention hours', 168)")
    for hours in (0, 169, -1):
        code, message = master.refusal(
            "CALL mysql.rds_set_configuration('binlog retention hours', %s)", hours
        )
        assert (code, message) == (
            1644,
            "For binlog retention hours the value must be between 1 and 168 inclusive or be NULL",
        )
    code, message = master.refusal("CALL mysql.rds_set_configuration('binlog retention days', 1)")
    assert (code, message) == (
        1644,
        "Cannot set unknown configuration parameter 'binlog retention days' using mysql.rds_set_configuration.",
    )
    value = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
    assert master.value(value) == "168"
    master.rows("CALL mysql.rds_set_configuration('binlog retention hours', NULL)")
    assert master.value(value) is None
    assert server.coordinates() == before
    assert master.value("SELECT @@session.sql_log_bin") == 1


def test_logs_are_rotated(master: Session) -> None:
    for log in ("slow", "general"):
        master.rows(f"CALL mysql.rds_rotate_{log}_log")
        assert master.value(f"SELECT COUNT(*) FROM mysql.{log}_log_backup") == 0


def test_replication_procedures_without_a_source_say_so(master: Session) -> None:
    for procedure in ("stop_replication", "start_replication", "reset_external_master"):
        code, message = master.refusal(f"CALL mysql.rds_{procedure}")
        assert (code, "configured" in message) == (1644, True)
    for call in ("skip_repl_error", "next_master_log(1)", "set_source_delay(1)"):
        code, message = master.refusal(f"CALL mysql.rds_{call}")
        assert (code, "isn't configured" in message) == (1644, True)


def test_a_failed_procedure_leaves_the_session_logged(master: Session, server: MySQLServer) -> None:
    master.refusal("CALL mysql.rds_start_replication")
    assert master.value("SELECT @@session.sql_log_bin") == 1
    before = server.coordinates()
    master.rows("CREATE TABLE logged (id INT)")
    master.rows("DROP TABLE logged")
    assert server.coordinates() != before


def test_procedures_refuse_to_work_inside_a_transaction(master: Session) -> None:
    master.rows("CREATE TABLE IF NOT EXISTS open_one (id INT)")
    calls = (
        "set_configuration('binlog retention hours', 24)",
        "start_replication",
        "stop_replication",
        "reset_external_master",
        "set_external_master('h', 3306, 'u', 'p', 'mysql-bin-changelog.000001', 4, 0)",
    )
    for call in calls:
        master.rows("START TRANSACTION")
        master.rows("INSERT INTO open_one VALUES (1)")
        assert master.refusal(f"CALL mysql.rds_{call}")[0] == 1694
        master.rows("ROLLBACK")
    master.rows("SET SESSION autocommit = 0")
    master.rows("SELECT * FROM open_one")
    assert master.refusal("CALL mysql.rds_start_replication")[0] == 1694
    master.rows("ROLLBACK")
    master.rows("SET SESSION autocommit = 1")
    assert master.value("SELECT @@session.sql_log_bin") == 1
    master.rows("DROP TABLE open_one")


def test_a_refused_call_is_in_the_history(master: Session) -> None:
    before = len(master.rows("SELECT * FROM mysql.rds_history"))
    assert master.refusal("CALL mysql.rds_stop_replication")[0] == 1644
    rows = master.rows("SELECT called_by_user, action FROM mysql.rds_history")[before:]
    assert rows == [{"called_by_user": "admin@127.0.0.1", "action": "Starting: stop slave"}]


def test_history_and_status_have_no_key(master: Session) -> None:
    for table in ("rds_history", "rds_replication_status"):
        assert master.rows(f"SHOW KEYS FROM mysql.{table}") == []


def test_a_gtid_is_skipped(farm: Farm) -> None:
    server = farm.new({"gtid_mode": "ON", "enforce_gtid_consistency": "ON"})
    session = Session(server)
    gtid = f"{server.server_uuid()}:77"
    session.rows("CALL mysql.rds_skip_transaction_with_gtid(%s)", gtid)
    until(
        lambda: session.value("SELECT GTID_SUBSET(%s, @@global.gtid_executed)", gtid), lambda done: done == 1
    )
    server.kill()
