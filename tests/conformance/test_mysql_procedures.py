"""Facts about RDS's procedures, on 8.0 and, where it is known, on 5.7. Each test names the source of its fact.

"The dump" is that of the mysql schema of an RDS 8.0.41 (2025-07), with the texts of its procedures. How long the procedures
pause is asked in tests/sandbox/test_mysql_hosting.py: a quick sandbox leaves out pauses that decide nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from tests.conformance.account import Account, until
from tests.conformance.servers import SECRET, Server, error_of, make_follower, open_server, until_threads

ENDED = (1644, "Slave has encountered an error. Run SHOW SLAVE STATUS\\G; to see the error.")
READ_REPLICA = (1644, "Permission Denied: This instance is a RDS Read Replica.")
UNTIL = "CALL mysql.rds_start_replication_until(%s, %s)"


@pytest.fixture(scope="module")
def group(account: Account) -> Iterator[str]:
    yield account.group("one-applier")
    account.rds.delete_db_parameter_group(DBParameterGroupName="one-applier")


@pytest.fixture(scope="module")
def made(account: Account, group: str) -> Iterator[dict[str, str]]:
    """A source, a managed replica and a follower of 8.0; a source and a follower of 5.7."""
    resource_ids = {
        "source": account.begin("call-facts", BackupRetentionPeriod=1),
        "source-57": account.begin("call-facts-57", BackupRetentionPeriod=1, EngineVersion="5.7"),
    }
    for resource_id in tuple(resource_ids.values()):
        account.available(resource_id)
    resource_ids["replica"] = account.replica("call-facts-replica", "call-facts")
    for suffix in ("", "-57"):
        with open_server(account, resource_ids[f"source{suffix}"]) as source:
            source.rows("CREATE TABLE shop.t (id INT PRIMARY KEY)")
            name = f"call-facts-follower{suffix}"
            resource_ids[f"follower{suffix}"] = make_follower(account, source, name, name)
    for resource_id in resource_ids.values():
        account.available(resource_id)
    account.modify("call-facts-follower", DBParameterGroupName=group)
    yield resource_ids
    names = [
        account.see(resource_id)["DBInstanceIdentifier"] for resource_id in reversed(resource_ids.values())
    ]
    for name in names:
        account.delete(name)
    for resource_id in resource_ids.values():
        account.gone(resource_id)
    for suffix in ("", "-57"):
        account.rds.delete_db_snapshot(DBSnapshotIdentifier=f"call-facts-follower{suffix}")


@pytest.fixture
def source(account: Account, made: dict[str, str]) -> Iterator[Server]:
    with open_server(account, made["source"]) as opened:
        yield opened


@pytest.fixture
def replica(account: Account, made: dict[str, str]) -> Iterator[Server]:
    with open_server(account, made["replica"]) as opened:
        yield opened


@pytest.fixture
def follower(account: Account, made: dict[str, str]) -> Iterator[Server]:
    """It follows nobody, before and after."""
    with open_server(account, made["follower"]) as opened:
        _reset(opened)
        yield opened
        _reset(opened)


@pytest.fixture
def follower_57(account: Account, made: dict[str, str]) -> Iterator[Server]:
    with open_server(account, made["follower-57"]) as opened:
        _reset(opened)
        yield opened
        _reset(opened)


def _reset(server: Server) -> None:
    if server.status():
        server.rows("CALL mysql.rds_reset_external_master")


def attach(
    follower: Server, source: Server, where: tuple[str, int], secret: str = SECRET, ssl: int = 1
) -> Any:
    """Set the external source; return the answer's rows."""
    return follower.rows(
        "CALL mysql.rds_set_external_master(%s, 3306, 'follower', %s, %s, %s, %s)",
        *(source.address, secret, *where, ssl),
    )


def keep_binlogs(source: Server) -> tuple[str, int]:
    """Let the source keep its binary logs; return where it stands now."""
    source.rows("CALL mysql.rds_set_configuration('binlog retention hours', 24)")
    return source.coordinates()


def test_set_external_master_answers_with_nothing(source: Server, follower: Server) -> None:
    """The dump; a trace of 8.0 (2024-09): OK, 0 rows affected. Arguments are trimmed."""
    where = keep_binlogs(source)
    assert (
        follower.rows(
            "CALL mysql.rds_set_external_master(%s, 3306, ' follower ', %s, %s, %s, 0)",
            *(f" {source.address} ", SECRET, f" {where[0]} ", where[1]),
        )
        == []
    )
    status = follower.status()
    assert (status["Master_Host"], status["Master_User"]) == (source.address, "follower")
    assert (status["Master_SSL_Allowed"], status["Auto_Position"]) == ("No", 0)
    assert follower.threads() == ("No", "No")


def test_start_and_stop(source: Server, follower: Server) -> None:
    """The dump and a trace of 8.0 (2024-09) for the texts."""
    attach(follower, source, keep_binlogs(source))
    started = follower.rows("CALL mysql.rds_start_replication")
    assert started == [{"Message": "Replication started. Slave is now running normally."}]
    assert error_of(follower, "CALL mysql.rds_start_replication") == (
        1644,
        "Replication may already be running. Call rds_stop_replication to stop replication",
    )
    assert error_of(
        follower, "CALL mysql.rds_set_external_master('h', 3306, 'u', 'p', 'f.000001', 4, 0)"
    ) == (
        1644,
        "You can't modify replication because replication is running. First call mysql.rds_stop_replication.",
    )
    stopped = follower.rows("CALL mysql.rds_stop_replication")
    assert stopped == [{"Message": "Slave is now down or disabled"}]
    code, message = error_of(follower, "CALL mysql.rds_stop_replication")
    assert (code, message.startswith("Slave is already stopped or may not be configured.")) == (1644, True)
    assert follower.rows("CALL mysql.rds_reset_external_master") == [{"message": "Slave has been reset"}]
    for procedure in ("start_replication", "stop_replication", "reset_external_master"):
        code, message = error_of(follower, f"CALL mysql.rds_{procedure}")
        assert (code, "configured" in message) == (1644, True)


def test_a_receiver_that_connects_is_broken(source: Server, follower: Server) -> None:
    """The dump: the state is ON only if both threads are; the start is refused when it is too late, and the threads go on."""
    attach(follower, source, keep_binlogs(source), secret="wrong")
    assert error_of(follower, "CALL mysql.rds_start_replication") == ENDED
    assert follower.threads() == ("Connecting", "Yes")
    assert error_of(follower, "CALL mysql.rds_start_replication") == (
        1644,
        "Replication might be running. First call mysql.rds_stop_replication.",
    )
    follower.rows("CALL mysql.rds_stop_replication")


def test_5_7_starts_whatever_the_receiver_meets(
    account: Account, made: dict[str, str], follower_57: Server
) -> None:
    """Traces of 5.7 (2018-06): success after a second, even while the receiver fails."""
    with open_server(account, made["source-57"]) as source:
        attach(follower_57, source, keep_binlogs(source), secret="wrong")
    assert follower_57.rows("CALL mysql.rds_start_replication") == [{"Message": "Slave running normally."}]
    assert follower_57.threads() == ("Connecting", "Yes")
    assert follower_57.rows("CALL mysql.rds_stop_replication") == [{"Message": "Slave is down or disabled"}]


def test_caching_sha2_wants_ssl(source: Server, follower: Server) -> None:
    """The dump: no GET_SOURCE_PUBLIC_KEY, so an account with caching_sha2_password cannot be used without SSL (2061)."""
    source.rows("CREATE USER IF NOT EXISTS modern@'%%' IDENTIFIED WITH caching_sha2_password BY %s", SECRET)
    source.rows("GRANT REPLICATION SLAVE ON *.* TO modern@'%'")
    where = keep_binlogs(source)
    follower.rows(
        "CALL mysql.rds_set_external_master(%s, 3306, 'modern', %s, %s, %s, 0)",
        *(source.address, SECRET, *where),
    )
    assert error_of(follower, "CALL mysql.rds_start_replication") == ENDED
    assert follower.status()["Last_IO_Errno"] == 2061
    source.rows("DROP USER modern@'%'")


def test_start_until_refuses_parallel_appliers(
    account: Account, made: dict[str, str], replica: Server, source: Server
) -> None:
    """The dump; 8.0 has 4 appliers (variables of an 8.0.41)."""
    replica.rows("CALL mysql.rds_stop_replication")
    assert error_of(replica, UNTIL, "mysql-bin-changelog.000001", 4) == (
        1644,
        "rds_start_replication_until is not supported for multi-threaded slaves",
    )
    replica.rows("CALL mysql.rds_start_replication")
    assert error_of(replica, UNTIL, "mysql-bin-changelog.000001", 4) == (
        1644,
        "Replication may already be running. Call rds_stop_replication to stop replication",
    )


def test_start_until_calls_a_goal_that_is_reached_an_error(
    account: Account, source: Server, follower: Server, group: str
) -> None:
    """The dump: after 2 s both threads must run, whatever the reason that one does not."""
    account.set_parameters(group, slave_parallel_workers="0")
    until(lambda: follower.value("SELECT @@global.slave_parallel_workers"), lambda workers: workers == 0)
    attach(follower, source, keep_binlogs(source))
    source.rows("INSERT INTO shop.t VALUES (1)")
    goal = source.coordinates()
    source.rows("INSERT INTO shop.t VALUES (2)")
    assert error_of(follower, UNTIL, *goal) == ENDED
    assert follower.threads() == ("Yes", "No")
    assert follower.value("SELECT MAX(id) FROM shop.t") == 1, "and yet it got there"
    follower.rows("CALL mysql.rds_stop_replication")
    answer = follower.rows(UNTIL, "mysql-bin-changelog.000999", 4)
    assert answer == [
        {
            "Message": "Replication started until MASTER_LOG_FILE = 'mysql-bin-changelog.000999' "
            "and MASTER_LOG_POS = 4"
        }
    ]


def test_a_read_replica_of_rds_refuses(replica: Server) -> None:
    """The dump: error 1644, no result set. Stop and start work on it, though (a trace of 8.0, 2024-09)."""
    call = "CALL mysql.rds_set_external_master('h', 3306, 'u', 'p', 'mysql-bin-changelog.000001', 4, 0)"
    assert error_of(replica, call) == READ_REPLICA
    assert error_of(replica, "CALL mysql.rds_reset_external_master") == READ_REPLICA
    marks = "SELECT COUNT(*) FROM mysql.rds_history WHERE action = 'disable set master' AND master_user = %s"
    assert replica.value(marks, "rdsrepladmin") == 1


def test_a_source_that_replicas_cannot_connect_to(
    account: Account, made: dict[str, str], source: Server
) -> None:
    """A managed replica whose receiver never connected: what SHOW SLAVE STATUS says of it is MySQL's own."""
    account.provoke.refuse_replicas(source.identifier)
    try:
        with open_server(account, made["replica"]) as replica:
            until_threads(replica, "Connecting", "Yes")
            # The first attempt may still be under way.
            until(lambda: replica.status()["Last_IO_Errno"], bool)
    finally:
        account.provoke.refuse_replicas(source.identifier, refused=False)
    with open_server(account, made["replica"]) as replica:
        until_threads(replica, "Yes", "Yes")


def test_an_error_is_skipped_only_where_there_is_one(source: Server, follower: Server) -> None:
    """The dump: BROKEN and an error of the applier; BROKEN without one is only reported; else refused."""
    assert "isn't configured" in error_of(follower, "CALL mysql.rds_skip_repl_error")[1]
    attach(follower, source, keep_binlogs(source), secret="wrong")
    assert error_of(follower, "CALL mysql.rds_skip_repl_error") == (1644, "Slave is down or disabled.")
    error_of(follower, "CALL mysql.rds_start_replication")
    assert list(follower.rows("CALL mysql.rds_skip_repl_error")[0]) == ["Message"]
    assert error_of(follower, "CALL mysql.rds_set_source_delay(10)")[0] == 1644, "it runs"
    follower.rows("CALL mysql.rds_stop_replication")
    follower.rows("CALL mysql.rds_set_source_delay(10)")
    assert follower.status()["SQL_Delay"] == 10
    follower.rows("CALL mysql.rds_set_source_delay(0)")
    _reset(follower)
    attach(follower, source, keep_binlogs(source))
    follower.rows("CREATE TABLE shop.in_the_way (id INT)")
    source.rows("CREATE TABLE shop.in_the_way (id INT)")
    # Whether the procedure notices depends on when it looks.
    with contextlib.suppress(pymysql.err.OperationalError):
        follower.rows("CALL mysql.rds_start_replication")
    until(lambda: follower.status()["Last_SQL_Errno"], lambda number: number == 1050)
    follower.rows("CALL mysql.rds_skip_repl_error")
    until_threads(follower, "Yes", "Yes")
    assert error_of(follower, "CALL mysql.rds_skip_repl_error")[1].startswith("Slave is running normally.")
    source.rows("DROP TABLE shop.in_the_way")


def test_every_call_is_in_the_history(follower: Server) -> None:
    """The dump: `Starting: …` first, committed, also when the call is then refused; neither table has a key."""
    before = len(follower.rows("SELECT 1 FROM mysql.rds_history"))
    for procedure in ("stop_replication", "start_replication", "reset_external_master"):
        assert error_of(follower, f"CALL mysql.rds_{procedure}")[0] == 1644
    actions = [row["action"] for row in follower.rows("SELECT action FROM mysql.rds_history")][before:]
    assert actions == ["Starting: stop slave", "Starting: start slave", "Starting: reset slave"]
    for table in ("rds_history", "rds_replication_status"):
        assert follower.rows(f"SHOW KEYS FROM mysql.{table}") == []


def test_procedures_fail_inside_a_transaction(follower: Server) -> None:
    """The dump: they work with sql_log_bin off, and that cannot be switched in a transaction (1694); so with autocommit=0."""
    calls = (
        "start_replication",
        "stop_replication",
        "set_external_master('h', 3306, 'u', 'p', 'f', 4, 0)",
        "set_configuration('binlog retention hours', 24)",
    )
    follower.rows("SET SESSION autocommit = 0")
    for call in calls:
        follower.rows("SELECT * FROM shop.t")
        assert error_of(follower, f"CALL mysql.rds_{call}")[0] == 1694, call
        follower.rows("ROLLBACK")
    follower.rows("SET SESSION autocommit = 1")
    assert follower.value("SELECT @@session.sql_log_bin") == 1


def test_bookkeeping_is_not_logged(source: Server, follower: Server) -> None:
    """The dump: a setting of the source does not reach its replicas, nor what restores from it later follows."""
    source.account.provoke.heartbeat(3600)
    source.account.provoke.duration("purge", 3600)
    before = source.coordinates()
    for hours in (24, 25):
        source.rows("CALL mysql.rds_set_configuration('binlog retention hours', %s)", hours)
    assert source.coordinates() == before
    value = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
    assert (source.value(value), follower.value(value)) == ("25", None)


def test_set_configuration_checks(follower: Server) -> None:
    """The dump."""
    for hours in (0, 169):
        assert error_of(
            follower, "CALL mysql.rds_set_configuration('binlog retention hours', %s)", hours
        ) == (
            1644,
            "For binlog retention hours the value must be between 1 and 168 inclusive or be NULL",
        )
    code, message = error_of(follower, "CALL mysql.rds_set_configuration('binlog hours', 1)")
    assert (code, message.startswith("Cannot set unknown configuration parameter")) == (1644, True)
    shown = {row["name"]: row["value"] for row in follower.rows("CALL mysql.rds_show_configuration")}
    assert shown == {"binlog retention hours": None, "source delay": "0", "target delay": "0"}


def test_what_kill_protects(account: Account, source: Server, replica: Server) -> None:
    """The dump: accounts of RDS, but neither the threads of replication nor the event scheduler; a thread that is gone is 1094."""
    with account.sql(source.address) as victim:
        victim.execute("SELECT CONNECTION_ID() AS id")
        identity = victim.fetchall()[0]["id"]
        source.rows("CALL mysql.rds_kill_query(%s)", identity)
        assert victim.execute("SELECT 1") == 1, "only what it runs is ended"
        source.rows("CALL mysql.rds_kill(%s)", identity)
        with pytest.raises(pymysql.err.OperationalError):
            victim.execute("SELECT 1")
    until_threads(replica, "Yes", "Yes")
    threads = "SELECT id AS id, user AS user FROM information_schema.processlist WHERE user = %s"
    for procedure in ("kill", "kill_query"):
        (sender, *_) = source.rows(threads, "rdsrepladmin")
        assert error_of(source, f"CALL mysql.rds_{procedure}(%s)", sender["id"]) == (
            1644,
            "CANNOT KILL RDSREPLADMIN SESSION",
        )
        assert error_of(source, f"CALL mysql.rds_{procedure}(%s)", 99_999_999)[0] == 1094
    (scheduler, *_) = source.rows(threads, "event_scheduler")
    assert error_of(source, "CALL mysql.rds_kill_query(%s)", scheduler["id"])[0] == 1094, "KILL's own answer"
    for thread in replica.rows(threads, "system user"):
        try:
            replica.rows("CALL mysql.rds_kill_query(%s)", thread["id"])
        except pymysql.err.OperationalError as error:
            answer = error.args[0]
        else:
            answer = 0
        # Protected by nobody but MySQL, which answers 1095 for some of them; one may have gone meanwhile.
        assert answer in {0, 1094, 1095}
