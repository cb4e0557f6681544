"""Facts about RDS's servers: variables, accounts, what RDS writes and purges. Each test names the source of its fact."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.conformance.account import Account, until
from tests.conformance.servers import Server, error_of, open_server, until_threads

GRANTED = (
    "CREATE USER app@'%' IDENTIFIED BY 'p'",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO app@'%'",
    "GRANT ALL PRIVILEGES ON shop.* TO app@'%'",
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
WITHHELD = (
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
)
WITHHELD_SINCE_8 = (
    "DROP PROCEDURE mysql.rds_kill",
    "DROP USER rdsadmin@localhost",
    "ALTER USER rdsadmin@localhost IDENTIFIED BY 'x'",
    "SET PERSIST max_connections = 10",
    "FLUSH TABLES",
)
# Access denied, of several kinds; 4006: the account is the definer of procedures.
DENIED = {1044, 1045, 1142, 1227, 1370, 4006}
HEARTBEAT = "use `mysql`; INSERT INTO mysql.rds_heartbeat2(id, value) values (1,"


@pytest.fixture(scope="module")
def group(account: Account) -> Iterator[str]:
    yield account.group("server-facts")
    account.rds.delete_db_parameter_group(DBParameterGroupName="server-facts")


@pytest.fixture(scope="module")
def made(account: Account, group: str) -> Iterator[tuple[str, str, str]]:
    """An instance of 8.0 with a replica, and one of 5.7; made at the same time."""
    plain = account.begin("server-facts", DBParameterGroupName=group, BackupRetentionPeriod=1)
    old = account.begin("server-facts-57", EngineVersion="5.7", BackupRetentionPeriod=1)
    account.available(plain)
    replica = account.replica("server-facts-replica", "server-facts")
    resource_ids = (plain, replica, old)
    for resource_id in resource_ids:
        account.available(resource_id)
    yield resource_ids
    for resource_id in reversed(resource_ids):
        account.delete(account.see(resource_id)["DBInstanceIdentifier"])
    for resource_id in resource_ids:
        account.gone(resource_id)


@pytest.fixture
def server(account: Account, made: tuple[str, str, str]) -> Iterator[Server]:
    with open_server(account, made[0]) as opened:
        yield opened


@pytest.fixture
def replica(account: Account, made: tuple[str, str, str]) -> Iterator[Server]:
    with open_server(account, made[1]) as opened:
        yield opened


@pytest.fixture
def old(account: Account, made: tuple[str, str, str]) -> Iterator[Server]:
    with open_server(account, made[2]) as opened:
        yield opened


def set_parameters(server: Server, group: str, **values: str) -> None:
    """Set dynamic parameters, and wait until the server has them."""
    server.account.set_parameters(group, **values)
    for name, value in values.items():
        until(
            lambda name=name: str(server.value(f"SELECT @@global.{name}")),  # type: ignore[misc]
            lambda actual, value=value: actual == value,  # type: ignore[misc]
        )


def test_variables(server: Server) -> None:
    """All global variables of a running RDS 8.0.41 (2025-06); `binlog_format` is guessed."""
    expected = {
        "binlog_format": "MIXED",
        "log_slave_updates": 1,
        "local_infile": 1,
        "slave_parallel_workers": 4,
        "slave_parallel_type": "LOGICAL_CLOCK",
        "slave_preserve_commit_order": 1,
        "slave_exec_mode": "IDEMPOTENT",
        "skip_slave_start": 1,
        "relay_log_recovery": 1,
        "gtid_mode": "OFF_PERMISSIVE",
        "enforce_gtid_consistency": "OFF",
        "event_scheduler": "ON",
        "sql_mode": "NO_ENGINE_SUBSTITUTION",
        "time_zone": "UTC",
        "sync_binlog": 1,
        "innodb_flush_log_at_trx_commit": 1,
        "binlog_row_image": "FULL",
        "max_binlog_size": 134217728,
        "performance_schema": 0,
        "terminology_use_previous": "BEFORE_8_0_26",
        "explicit_defaults_for_timestamp": 1,
        "log_output": "TABLE",
        "partial_revokes": 0,
        "activate_all_roles_on_login": 0,
    }
    assert {name: server.value(f"SELECT @@global.{name}") for name in expected} == expected


def test_5_7_applies_serially(old: Server) -> None:
    """Parameter groups of 5.7: MIXED; MySQL's own defaults for replication."""
    assert old.value("SELECT @@global.slave_parallel_workers") == 0
    assert old.value("SELECT @@global.slave_exec_mode") == "STRICT"
    assert old.value("SELECT @@global.binlog_format") == "MIXED"


def test_the_master_user_has_a_role(server: Server) -> None:
    """SHOW GRANTS of a master user (2025-09); USER_PRIVILEGES on an 8.4.10, where it shows USAGE only."""
    assert [next(iter(row.values())) for row in server.rows("SHOW GRANTS FOR admin@'%'")] == [
        "GRANT USAGE ON *.* TO `admin`@`%`",
        "GRANT `rds_superuser_role`@`%` TO `admin`@`%`",
    ]
    shown = server.rows(
        "SELECT privilege_type AS p FROM information_schema.user_privileges WHERE grantee = %s", "'admin'@'%'"
    )
    assert [row["p"] for row in shown] == ["USAGE"]
    assert server.value("SELECT CURRENT_ROLE()") == "`rds_superuser_role`@`%`"
    role = server.rows("SELECT * FROM mysql.user WHERE user = 'rds_superuser_role'")[0]
    assert (role["account_locked"], role["password_expired"]) == ("Y", "Y")


def test_what_is_granted(server: Server, old: Server) -> None:
    """AWS's documentation of the master user's privileges, all of them with the right to grant them on."""
    for target in (server, old):
        for statement in GRANTED:
            target.rows(statement)


def test_what_is_withheld(server: Server, old: Server) -> None:
    """AWS's documentation of the master user; FLUSH TABLES WITH READ LOCK is refused on RDS even to an account with RELOAD."""
    for target, statements in ((server, WITHHELD + WITHHELD_SINCE_8), (old, WITHHELD)):
        codes = {statement: error_of(target, statement)[0] for statement in statements}
        assert set(codes.values()) <= DENIED, codes
        assert target.value("SELECT @@global.read_only") == 0


def test_triggers_want_the_server_s_trust(server: Server, group: str) -> None:
    """AWS's documentation: without SUPER, a trigger needs `log_bin_trust_function_creators` while backups are on."""
    create = "CREATE TRIGGER shop.tr BEFORE INSERT ON shop.trusted FOR EACH ROW SET NEW.id = 1"
    server.rows("CREATE TABLE shop.trusted (id INT)")
    assert error_of(server, create)[0] == 1419
    set_parameters(server, group, log_bin_trust_function_creators="1")
    server.rows(create)
    server.rows("DROP TABLE shop.trusted")
    set_parameters(server, group, log_bin_trust_function_creators="0")


def test_accounts_of_rds(server: Server, old: Server) -> None:
    """Dump of the mysql schema of an RDS 8.0.41 (2025-07); nobody comes as rdsadmin over the network."""
    users, of_5_7 = (
        {row["u"] for row in target.rows("SELECT user AS u FROM mysql.user WHERE user NOT LIKE 'mysql.%'")}
        for target in (server, old)
    )
    assert of_5_7 == {"admin", "rdsadmin", "rdsrepladmin"}
    assert users == of_5_7 | {
        *(
            "rdsproxyadmin",
            "rdsgrprepladmin",
            "rdsrepladmin_priv_checks_user",
            "rdstopmgr",
            "rds_superuser_role",
        ),
    }
    assert server.rows("SELECT host AS h FROM mysql.user WHERE user = 'rdsadmin'") == [{"h": "localhost"}]


def test_named_time_zones_are_loaded(server: Server, old: Server, group: str) -> None:
    """AWS's documentation: the parameter `time_zone` takes names."""
    for target in (server, old):
        summer = target.value("SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Paris')")
        winter = target.value("SELECT CONVERT_TZ('2026-12-01 12:00:00', 'Europe/Amsterdam', 'US/Eastern')")
        assert (summer.hour, winter.hour) == (14, 6)
    set_parameters(server, group, time_zone="Asia/Tokyo")
    with pytest.raises(Exception, match="Invalid parameter value"):
        set_parameters(server, group, time_zone="Mars/Olympus")
    set_parameters(server, group, time_zone="UTC")


def test_a_heartbeat_is_a_statement_in_a_row_log(server: Server, group: str) -> None:
    """debezium DBZ-469, mypipe #16, maxwell #523: INSERT INTO mysql.rds_heartbeat2 … as a query event though ROW is set."""
    set_parameters(server, group, binlog_format="ROW")
    # Without retention, RDS may purge the file before it is read.
    server.rows("CALL mysql.rds_set_configuration('binlog retention hours', 1)")
    server.account.provoke.heartbeat(0.2)
    file, _ = server.coordinates()

    def beats() -> list[str]:
        kept = server.files()
        events = [row for log in kept[kept.index(file) :] for row in server.events(log)]
        return [row["Info"] for row in events if HEARTBEAT in row["Info"]]

    try:
        assert "ON DUPLICATE KEY UPDATE value =" in until(beats, lambda statements: len(statements) >= 2)[-1]
    finally:
        server.rows("CALL mysql.rds_set_configuration('binlog retention hours', NULL)")
    assert server.value("SELECT COUNT(*) FROM mysql.rds_heartbeat2") == 1


def test_a_heartbeat_under_read_only(server: Server, group: str) -> None:
    """Not known. One runbook saw silence (2023); the statement of an account with SUPER passes. The sandbox has both."""
    set_parameters(server, group, read_only="1")
    try:
        server.account.provoke.heartbeat(0.2)
        before = server.coordinates()
        until(server.coordinates, lambda now: now != before)
        server.account.provoke.heartbeat(0.2, under_read_only=False)
        time.sleep(0.6)
        before = server.coordinates()
        time.sleep(0.8)
        after = server.coordinates()
        assert after == before or after[0] != before[0], "at most a new file"
    finally:
        set_parameters(server, group, read_only="0")


def test_a_new_file_begins_with_a_heartbeat(server: Server) -> None:
    """debezium DBZ-1492, maxwell #636: the first event of a new file. With no retention old files go every few minutes."""
    server.account.provoke.duration("purge", 0.5)
    server.account.provoke.heartbeat(60)
    server.rows("CREATE TABLE IF NOT EXISTS shop.filler (id INT)")
    before = server.files()
    until(server.files, lambda now: now != before and before[-1] not in now)
    statements = [row["Info"] for row in server.events(server.files()[-1]) if row["Event_type"] == "Query"]
    assert [HEARTBEAT in statement for statement in statements[:2]] == [False, True], statements
    assert statements[0] == "BEGIN"


def test_retention_keeps_files(server: Server) -> None:
    """AWS's documentation of `binlog retention hours`."""
    server.rows("CALL mysql.rds_set_configuration('binlog retention hours', 1)")
    try:
        server.account.provoke.duration("purge", 0.3)
        server.account.provoke.heartbeat(0.2)
        before = server.files()
        after = until(server.files, lambda now: len(now) >= len(before) + 2)
        assert after[: len(before)] == before
    finally:
        server.rows("CALL mysql.rds_set_configuration('binlog retention hours', NULL)")


def test_a_backup_is_marked(server: Server) -> None:
    """debezium DBZ-1492, maxwell's handling of RDS: DELETE and INSERT on mysql.rds_sysinfo, as statements."""
    file, _ = server.coordinates()
    server.rows("CALL mysql.rds_set_configuration('binlog retention hours', 1)")
    server.account.provoke.automated_backup(server.identifier)

    def marks() -> list[str]:
        kept = server.files()
        events = [row for log in kept[kept.index(file) :] for row in server.events(log)]
        return [row["Info"] for row in events if "mysql.rds_sysinfo" in row["Info"]]

    marked = until(marks, lambda statements: len(statements) >= 2)
    assert marked[-2].startswith("use `mysql`; DELETE FROM mysql.rds_sysinfo")
    assert marked[-1].startswith("use `mysql`; INSERT INTO mysql.rds_sysinfo")
    server.rows("CALL mysql.rds_set_configuration('binlog retention hours', NULL)")


def test_what_replication_ignores(server: Server, replica: Server) -> None:
    """SHOW SLAVE STATUS of an RDS (2020-11), debezium pull request 1057: RDS's own tables, but not the heartbeat's."""
    status = replica.status()
    ignored = set(status["Replicate_Ignore_Table"].split(","))
    tables = (
        "plugin",
        "rds_configuration",
        "rds_history",
        "rds_monitor",
        "rds_replication_status",
        "rds_sysinfo",
    )
    assert ignored == {f"mysql.{table}" for table in tables}
    server.account.provoke.heartbeat(0.2)
    before = replica.rows("SELECT value FROM mysql.rds_heartbeat2")
    until(lambda: replica.rows("SELECT value FROM mysql.rds_heartbeat2"), lambda now: now != before)


def test_managed_replicas_connect_with_tls(server: Server, replica: Server, group: str) -> None:
    """AWS's documentation: replication between RDS instances is encrypted, so `require_secure_transport` does not end it."""
    assert replica.status()["Master_SSL_Allowed"] == "Yes"
    set_parameters(server, group, require_secure_transport="1")
    replica.rows("CALL mysql.rds_stop_replication")
    replica.rows("CALL mysql.rds_start_replication")
    until_threads(replica, "Yes", "Yes")
    set_parameters(server, group, require_secure_transport="0")


def test_the_agent_resumes_what_was_stopped(replica: Server) -> None:
    """skip_slave_start is on (variables of an 8.0.41), yet a reboot resumes replication, also when it was stopped (AWS's documentation)."""
    replica.rows("CALL mysql.rds_stop_replication")
    replica.account.rds.reboot_db_instance(DBInstanceIdentifier=replica.identifier)
    until(lambda: replica.account.status(replica.resource_id), lambda status: status != "available")
    replica.account.available(replica.resource_id)
    with open_server(replica.account, replica.resource_id) as again:
        until_threads(again, "Yes", "Yes")


def test_lower_case_table_names_from_creation_on(account: Account) -> None:
    """AWS's documentation: on 8.0 the parameter counts when an instance is created, and not later."""
    account.set_parameters(account.group("lower-facts"), "pending-reboot", lower_case_table_names="1")
    made = account.begin("lower-facts", DBParameterGroupName="lower-facts")
    account.available(made)
    with open_server(account, made) as server:
        server.rows("CREATE TABLE shop.Mixed (id INT)")
        assert server.value("SELECT COUNT(*) FROM shop.MIXED") == 0
        assert server.rows("SHOW TABLES IN shop") == [{"Tables_in_shop": "mixed"}]
    account.delete("lower-facts")
    account.gone(made)
    account.rds.delete_db_parameter_group(DBParameterGroupName="lower-facts")


def test_names_of_parameters_by_family(account: Account) -> None:
    """Parameter groups of real accounts: mysql5.7 and mysql8.0 say slave_…, mysql8.4 says replica_…."""
    names = {}
    for family in ("mysql5.7", "mysql8.0", "mysql8.4"):
        pages = account.rds.get_paginator("describe_db_parameters").paginate(
            DBParameterGroupName=f"default.{family}"
        )
        names[family] = {parameter["ParameterName"] for page in pages for parameter in page["Parameters"]}
    for family in ("mysql5.7", "mysql8.0"):
        assert {
            "slave_parallel_workers",
            "slave_exec_mode",
            "log_slave_updates",
            "innodb_log_file_size",
        } <= names[family]
        assert not {name for name in names[family] if name.startswith("replica_")}
    assert {"replica_parallel_workers", "replica_exec_mode", "log_replica_updates"} <= names["mysql8.4"]
    assert not {"innodb_log_file_size", "innodb_log_files_in_group"} & names["mysql8.4"]
    assert not {name for name in names["mysql8.4"] if name.startswith("slave_")}


def test_a_boolean_is_answered_as_a_number(account: Account, group: str) -> None:
    """An issue about drift (terraform): RDS answers 1 where ON was written."""
    account.set_parameters(group, slow_query_log="ON", event_scheduler="ON")
    pages = account.rds.get_paginator("describe_db_parameters").paginate(
        DBParameterGroupName=group, Source="user"
    )
    values = {p["ParameterName"]: p["ParameterValue"] for page in pages for p in page["Parameters"]}
    assert (values["slow_query_log"], values["event_scheduler"]) == ("1", "ON")
