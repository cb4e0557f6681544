"""Replication between hosted servers: external through RDS's procedures, managed as the control plane does it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dev.sandbox.mysql import Coordinates, MySQLServer
from tests.sandbox.mysql_support import GIVEN, NO_MORE, VERSIONS, Farm, Session, until

REPLICATOR, SECRET = "follower", "a 'secret'"
STARTED = {"5.7": "Slave running normally."}
STARTED |= dict.fromkeys(("8.0", "9.7"), "Replication started. Slave is now running normally.")
STOPPED = {"5.7": "Slave is down or disabled"}
STOPPED |= dict.fromkeys(("8.0", "9.7"), "Slave is now down or disabled")
ENDED = "Slave has encountered an error. Run SHOW SLAVE STATUS\\G; to see the error."
READ_REPLICA = (1644, "Permission Denied: This instance is a RDS Read Replica.")
# What the procedures' refusals by parallel appliers need to be away.
ONE_APPLIER = {"slave_parallel_workers": "0"}


@pytest.fixture(scope="module", params=VERSIONS)
def farm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with Farm.open(tmp_path_factory.mktemp(f"replication-{request.param}"), request.param) as opened:
        yield opened


@pytest.fixture(scope="module")
def source(farm: Farm) -> MySQLServer:
    server = farm.new()
    session = Session(server)
    session.rows(f"CREATE USER {REPLICATOR}@'%%' IDENTIFIED BY %s REQUIRE SSL", SECRET)
    session.rows(f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {REPLICATOR}@'%'")
    session.rows("CREATE TABLE t (id INT PRIMARY KEY)")
    return server


def copy_of(
    farm: Farm,
    server: MySQLServer,
    snapshot: Path,
    parameters: Mapping[str, str] = NO_MORE,
    *,
    binlog: bool = True,
) -> MySQLServer:
    server.copy_data(snapshot)
    copy = farm.adopt(snapshot)
    copy.start({**GIVEN, **parameters}, binlog=binlog)
    return copy


def follow(session: Session, source: MySQLServer, where: Coordinates) -> list[dict[str, Any]]:
    named = "source" if source.version.startswith("9.") else "master"
    return session.rows(
        f"CALL mysql.rds_set_external_{named}(%s, %s, %s, %s, %s, %s, 1)",
        *(source.address, source.port, REPLICATOR, SECRET, where.file, where.position),
    )


def caught_up(source: MySQLServer, replica: MySQLServer) -> None:
    count = "SELECT COUNT(*) FROM t"
    ours, theirs = Session(source), Session(replica)
    until(lambda: (ours.value(count), theirs.value(count)), lambda counts: counts[0] == counts[1])


def insert(server: MySQLServer, *numbers: int) -> None:
    session = Session(server)
    for number in numbers:
        session.rows("INSERT INTO t VALUES (%s)", number)


def origin(server: MySQLServer) -> Coordinates:
    found = server.origin()
    assert found is not None
    return found


def test_an_external_source_is_followed_over_tls(farm: Farm, source: MySQLServer, tmp_path: Path) -> None:
    insert(source, 1, 2)
    replica = copy_of(farm, source, tmp_path / "snapshot", {"read_only": "1"})
    session = Session(replica)
    insert(source, 3)
    before = replica.coordinates()
    assert follow(session, source, origin(replica)) == []
    assert replica.coordinates() == before, "setting a source is not written to the binary log"
    started = STARTED[farm.binaries.series]
    assert session.rows("CALL mysql.rds_start_replication") == [{"Message": started}]
    caught_up(source, replica)
    status = replica.replication_status()
    assert status is not None
    assert (status["Master_SSL_Allowed"], status["Master_Host"]) == ("Yes", source.address)
    assert status["Relay_Master_Log_File"].startswith("mysql-bin-changelog.")
    assert replica.coordinates() != before, "what is applied goes on to the replica's own binary log"
    assert session.value("SELECT @rds_statement") is None
    assert not any(
        SECRET in file.read_text(errors="replace") for file in replica.data.glob("mysql-bin-changelog.0*")
    )

    code, message = session.refusal("CALL mysql.rds_start_replication")
    assert (code, "may already be running" in message) == (1644, True)
    with pytest.raises(AssertionError, match="was not refused"):
        session.refusal("SELECT 1")
    code, message = session.refusal(
        "CALL mysql.rds_set_external_master('127.0.0.1', 3306, 'u', 'p', 'mysql-bin-changelog.000001', 4, 0)"
    )
    assert (code, message) == (
        1644,
        "You can't modify replication because replication is running. First call mysql.rds_stop_replication.",
    )
    stopped = STOPPED[farm.binaries.series]
    assert session.rows("CALL mysql.rds_stop_replication") == [{"Message": stopped}]
    code, message = session.refusal("CALL mysql.rds_stop_replication")
    assert (code, "already stopped" in message) == (1644, True)

    replica.stop()
    replica.start({**GIVEN, "read_only": "1"}, binlog=True)
    restarted = replica.replication_status()
    assert restarted is not None
    assert (restarted["Slave_IO_Running"], restarted["Slave_SQL_Running"]) == ("No", "No")
    assert replica.resume_replication()
    insert(source, 4)
    caught_up(source, replica)  # the agent started what was only stopped
    assert not replica.resume_replication(), "it runs"

    session = Session(replica)
    assert session.rows("CALL mysql.rds_reset_external_master") == [{"message": "Slave has been reset"}]
    assert replica.replication_status() is None
    replica.stop()
    replica.start(GIVEN, binlog=True)
    assert replica.replication_status() is None
    actions = [row["action"] for row in Session(replica).rows("SELECT action FROM mysql.rds_history")]
    assert actions == [
        *("Starting: set master", "set master", "Starting: start slave", "start slave"),
        *("Starting: start slave", "Starting: set master"),  # both refused
        *(
            "Starting: stop slave",
            "stop slave",
            "Starting: stop slave",
            "Starting: reset slave",
            "reset slave",
        ),
    ]
    replica.stop()


def test_start_until_is_an_error_when_the_goal_is_reached(
    farm: Farm, source: MySQLServer, tmp_path: Path
) -> None:
    replica = copy_of(farm, source, tmp_path / "snapshot", ONE_APPLIER)
    session = Session(replica)
    insert(source, 10)
    goal = source.coordinates()
    assert goal is not None
    insert(source, 11)
    follow(session, source, origin(replica))
    call = "CALL mysql.rds_start_replication_until(%s, %s)"
    assert session.refusal(call, goal.file, goal.position) == (1644, farm.said(ENDED))
    status = replica.replication_status()
    assert status is not None
    assert (status["Slave_IO_Running"], status["Slave_SQL_Running"]) == ("Yes", "No")
    assert session.value("SELECT MAX(id) FROM t") == 10, "it got there all the same"
    assert session.refusal("CALL mysql.rds_start_replication")[1].startswith("Replication might be running.")
    assert session.refusal(call, goal.file, goal.position)[1].startswith(
        "Replication may already be running."
    )
    assert session.refusal("CALL mysql.rds_set_source_delay(60)")[0] == 1644
    assert session.rows("CALL mysql.rds_reset_external_master") == [{"message": "Slave has been reset"}]
    replica.kill()


def test_start_until_a_goal_that_is_far_away(farm: Farm, source: MySQLServer, tmp_path: Path) -> None:
    replica = copy_of(farm, source, tmp_path / "snapshot", ONE_APPLIER)
    session = Session(replica)
    follow(session, source, origin(replica))
    began = time.monotonic()
    message = session.rows("CALL mysql.rds_start_replication_until('mysql-bin-changelog.000999', 4)")[0]
    assert message == {
        "Message": farm.said(
            "Replication started until MASTER_LOG_FILE = 'mysql-bin-changelog.000999' and MASTER_LOG_POS = 4"
        )
    }
    assert time.monotonic() - began >= 2.0
    assert replica.set_parameters({"slave_parallel_workers": "2"}) == []
    session.rows("CALL mysql.rds_stop_replication")
    for name, arguments in (("until", "'mysql-bin-changelog.000999', 4"), ("until_gtid", "'x'")):
        assert session.refusal(f"CALL mysql.rds_start_replication_{name}({arguments})") == (
            1644,
            f"rds_start_replication_{name} is not supported for multi-threaded slaves",
        )
    replica.kill()


def test_a_receiver_that_cannot_connect(farm: Farm, source: MySQLServer, tmp_path: Path) -> None:
    """8.0 calls it an error, though its threads go on; 5.7 says that all is well. Both call it running afterwards."""
    replica = copy_of(farm, source, tmp_path / "snapshot")
    session = Session(replica)
    where = origin(replica)
    session.rows(
        "CALL mysql.rds_set_external_master(%s, %s, %s, %s, %s, %s, 1)",
        *(f" {source.address} ", source.port, f" {REPLICATOR} ", "wrong", where.file, where.position),
    )
    if farm.binaries.series != "5.7":
        assert session.refusal("CALL mysql.rds_start_replication") == (1644, farm.said(ENDED))
    else:
        assert session.rows("CALL mysql.rds_start_replication") == [{"Message": STARTED["5.7"]}]
    status = replica.replication_status()
    assert status is not None
    assert (status["Master_Host"], status["Master_User"]) == (source.address, REPLICATOR), "trimmed"
    assert (status["Slave_IO_Running"], status["Slave_SQL_Running"]) == ("Connecting", "Yes")
    assert session.refusal("CALL mysql.rds_start_replication") == (
        1644,
        "Replication might be running. First call mysql.rds_stop_replication.",
    )
    assert session.refusal(
        "CALL mysql.rds_set_external_master('127.0.0.1', 3306, 'u', 'p', 'mysql-bin-changelog.000001', 4, 0)"
    )[1].startswith("You can't modify replication because replication is running.")
    assert "no error" in session.rows("CALL mysql.rds_skip_repl_error")[0]["Message"] or (
        farm.binaries.series == "5.7"
    )
    session.rows("CALL mysql.rds_stop_replication")
    with replica.admin() as admin, admin.cursor() as cursor:
        cursor.execute(
            farm.said("CHANGE MASTER TO MASTER_HOST = '127.0.0.9', MASTER_PORT = 3306 FOR CHANNEL 'other'")
        )
    code, _ = session.refusal(
        "CALL mysql.rds_set_external_master('127.0.0.9', 3306, 'u', 'p', 'mysql-bin-changelog.000001', 4, 0)"
    )
    assert code == 1644, "a second channel from the same host and port"
    replica.kill()


def test_real_pauses_are_those_of_rds(farm: Farm, source: MySQLServer, tmp_path: Path) -> None:
    source.copy_data(tmp_path / "snapshot")
    replica = farm.adopt(tmp_path / "snapshot")
    replica.start(GIVEN, binlog=True, real_pauses=True)
    session = Session(replica)
    follow(session, source, origin(replica))
    took = {}
    for call in ("start_replication", "stop_replication", "reset_external_master"):
        began = time.monotonic()
        if call != "reset_external_master":
            assert source.address in {row["Master_Host"] for row in session.rows("SHOW SLAVE STATUS")}
            assert session.rows("SHOW SLAVE STATUS")[0]["Connect_Retry"] == 60
        session.rows(f"CALL mysql.rds_{call}")
        took[call] = time.monotonic() - began
    whole = 3.0 if farm.binaries.series != "5.7" else 1.0
    assert whole <= took["start_replication"] < whole + 3.0
    assert whole <= took["stop_replication"] < whole + 3.0
    assert took["reset_external_master"] < whole, "no pause where replication is stopped"
    replica.kill()


def test_it_skips_an_error(farm: Farm, source: MySQLServer, tmp_path: Path) -> None:
    replica = copy_of(farm, source, tmp_path / "snapshot", ONE_APPLIER)
    session = Session(replica)
    follow(session, source, origin(replica))
    session.rows("CREATE TABLE in_the_way (id INT)")
    Session(source).rows("CREATE TABLE in_the_way (id INT)")
    insert(source, 12)
    with contextlib.suppress(pymysql.err.OperationalError):  # whether it notices depends on when it looks
        session.rows("CALL mysql.rds_start_replication")
    until(replica.replication_status, lambda status: status is not None and status["Last_SQL_Errno"] == 1050)
    session.rows("CALL mysql.rds_skip_repl_error")
    caught_up(source, replica)
    assert session.refusal("CALL mysql.rds_skip_repl_error")[1].startswith("Slave is running normally.")
    session.rows("CALL mysql.rds_reset_external_master")
    where = source.coordinates()
    assert where is not None
    session.rows(
        "CALL mysql.rds_set_external_master_with_delay(%s, %s, %s, %s, %s, %s, 1, 3600)",
        *(source.address, source.port, REPLICATOR, SECRET, where.file, where.position),
    )
    session.rows("CALL mysql.rds_set_source_delay(60)")
    delayed = replica.replication_status()
    assert delayed is not None
    assert delayed["SQL_Delay"] == 60
    replica.kill()


def test_a_managed_replica_is_rds_s_own_affair(farm: Farm, source: MySQLServer, tmp_path: Path) -> None:
    replica = copy_of(farm, source, tmp_path / "snapshot", {"read_only": "1"}, binlog=False)
    insert(source, 20)
    replica.replicate_from(source)
    caught_up(source, replica)
    session = Session(replica)
    assert replica.managed_replica()
    assert session.refusal("INSERT INTO t VALUES (21)")[0] == 1290
    with pytest.raises(pymysql.err.OperationalError) as refused:
        follow(session, source, Coordinates("mysql-bin-changelog.000001", 4))
    assert refused.value.args == READ_REPLICA
    assert session.refusal("CALL mysql.rds_reset_external_master") == READ_REPLICA

    session.rows("CALL mysql.rds_stop_replication")
    insert(source, 21)
    needed = replica.replication_status()
    assert needed is not None
    gone = source.purge_binlogs([replica])
    assert needed["Relay_Master_Log_File"] not in gone
    insert(source, 22)
    assert source.purge_binlogs([replica]) == [], "a stopped managed replica holds what it has not applied"

    copy = copy_of(farm, replica, tmp_path / "of-the-replica", binlog=False)
    assert copy.replication_status() is None, "a restored instance follows nobody"
    assert copy.managed_replica(), "but the marker of its origin is still there"
    copy.set_managed_replica(managed=False)
    where = Coordinates(needed["Relay_Master_Log_File"], needed["Exec_Master_Log_Pos"])
    follow(Session(copy), source, where)
    Session(copy).rows("CALL mysql.rds_start_replication")
    caught_up(source, copy)
    copy.stop()

    session.rows("CALL mysql.rds_start_replication")
    source.stop()
    source.move_to(farm.place()["address"])
    source.start(GIVEN, binlog=True)
    replica.follow(source)
    insert(source, 23)
    caught_up(source, replica)
    replica.stop()
    assert source.purge_binlogs([replica]) == [], "a replica that cannot be asked may need any of them"
    replica.start({**GIVEN, "read_only": "1"}, binlog=False)
    replica.promote()
    assert not replica.managed_replica()
    assert replica.replication_status() is None
    assert source.purge_binlogs() != []
    replica.stop()


def test_replication_by_gtid(farm: Farm, tmp_path: Path) -> None:
    on = {"gtid-mode": "ON", "enforce_gtid_consistency": "ON", "binlog_format": "ROW"}
    source = farm.new(on)
    session = Session(source)
    session.rows(f"CREATE USER {REPLICATOR}@'%%' IDENTIFIED BY %s", SECRET)
    session.rows(f"GRANT REPLICATION SLAVE ON *.* TO {REPLICATOR}@'%'")
    session.rows("CREATE TABLE t (id INT PRIMARY KEY)")
    insert(source, 1)
    replica = copy_of(farm, source, tmp_path / "snapshot", on)
    insert(source, 2)
    external = Session(replica)
    external.rows(
        "CALL mysql.rds_set_external_master_with_auto_position(%s, %s, %s, %s, 1, 0)",
        *(source.address, source.port, REPLICATOR, SECRET),
    )
    external.rows("CALL mysql.rds_start_replication")
    caught_up(source, replica)
    assert external.value("SELECT @@global.gtid_executed") == session.value("SELECT @@global.gtid_executed")
    replica.clear_replication()
    insert(source, 3)
    replica.replicate_from(source)
    caught_up(source, replica)
    status = replica.replication_status()
    assert status is not None
    assert status["Auto_Position"] == 1
