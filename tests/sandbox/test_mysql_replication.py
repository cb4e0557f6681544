"""Replication between hosted servers: external through RDS's procedures, managed as the control plane does it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pymysql
import pytest

from sandbox.mysql import Coordinates, MySQLServer
from tests.sandbox.mysql_support import GIVEN, NO_MORE, VERSIONS, Farm, Session, until

REPLICATOR, SECRET = "follower", "a 'secret'"


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
    return session.rows(
        "CALL mysql.rds_set_external_master(%s, %s, %s, %s, %s, %s, 1)",
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
    assert session.rows("CALL mysql.rds_start_replication") == [{"Message": "Slave running normally."}]
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
    assert session.rows("CALL mysql.rds_stop_replication") == [{"Message": "Slave is down or disabled"}]
    assert session.refusal("CALL mysql.rds_stop_replication")[0] == 1644

    replica.stop()
    replica.start({**GIVEN, "read_only": "1"}, binlog=True)
    insert(source, 4)
    caught_up(source, replica)  # a reboot started what was only stopped

    session = Session(replica)
    assert session.rows("CALL mysql.rds_reset_external_master") == [{"message": "Slave has been reset"}]
    assert replica.replication_status() is None
    replica.stop()
    replica.start(GIVEN, binlog=True)
    assert replica.replication_status() is None
    actions = [
        row["action"] for row in Session(replica).rows("SELECT action FROM mysql.rds_history ORDER BY id")
    ]
    assert actions == ["set master", "start slave", "stop slave", "reset slave"]
    replica.stop()


def test_it_starts_until_and_skips_an_error(farm: Farm, source: MySQLServer, tmp_path: Path) -> None:
    replica = copy_of(farm, source, tmp_path / "snapshot")
    session = Session(replica)
    insert(source, 10)
    stop = source.coordinates()
    assert stop is not None
    insert(source, 11)
    follow(session, source, origin(replica))
    message = session.rows("CALL mysql.rds_start_replication_until(%s, %s)", stop.file, stop.position)[0][
        "Message"
    ]
    assert message.endswith(f"MASTER_LOG_POS = {stop.position}")
    until(
        replica.replication_status, lambda status: status is not None and status["Slave_SQL_Running"] == "No"
    )
    assert session.value("SELECT MAX(id) FROM t") == 10

    session.rows("CALL mysql.rds_stop_replication")
    session.rows("CREATE TABLE in_the_way (id INT)")
    Session(source).rows("CREATE TABLE in_the_way (id INT)")
    insert(source, 12)
    with contextlib.suppress(pymysql.err.OperationalError):  # whether it notices depends on when it looks
        session.rows("CALL mysql.rds_start_replication")
    until(replica.replication_status, lambda status: status is not None and status["Last_SQL_Errno"] == 1050)
    session.rows("CALL mysql.rds_skip_repl_error")
    caught_up(source, replica)
    session.rows("CALL mysql.rds_reset_external_master")
    session.rows(
        "CALL mysql.rds_set_external_master_with_delay(%s, %s, %s, %s, %s, %s, 1, 3600)",
        *(source.address, source.port, REPLICATOR, SECRET, stop.file, stop.position),
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
    answer = follow(session, source, Coordinates("mysql-bin-changelog.000001", 4))
    assert answer == [{"Message": "MYSQL.RDS_SET_EXTERNAL_MASTER is disabled on this host"}]
    answer = session.rows("CALL mysql.rds_reset_external_master")
    assert answer == [{"Message": "MYSQL.RDS_RESET_EXTERNAL_MASTER is disabled on this host"}]

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
