"""The channel from the source to the encrypted instance breaks, in one way after another.

Each mends what it broke, except the last one: what the source has purged is gone.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pymysql

from dev.sandbox.mysql.sessions import execute, query
from dev.workload.database import rows
from providers.external_replication import ExternalReplicationArgs, ExternalReplicationProvider
from rds_encrypt.access import endpoint_of
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.mysql import accounts, channel, lag
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.session import Credentials, Endpoint
from tests.engine.faults.book import fault
from tests.engine.faults.stage import Stage

__all__ = ["mend"]

_ROW = 900_001
_IDLE = 3


def mend(stage: Stage) -> None:
    """Perform the step again, as `pulumi up` does when a refresh has noticed that its effect is gone."""
    outputs = ExternalReplicationProvider().perform(
        stage.world(), stage.args(ExternalReplicationArgs, file="mysql-bin-changelog.000001", position=4)
    )
    assert outputs == {"running": True}
    with stage.session(stage.source_id) as source, stage.session(stage.encrypted_id) as encrypted:
        lag.catch_up(source, encrypted, deadline=30)


def _follow(stage: Stage) -> None:
    """Wait until the encrypted instance has executed everything, which here ends with an error."""
    with stage.session(stage.source_id) as source, stage.session(stage.encrypted_id) as encrypted:
        lag.catch_up(source, encrypted, deadline=30)


def _behind_its_back(stage: Stage, statement: str) -> None:
    """Write to the encrypted instance as only RDS's own account can, past `read_only`."""
    with stage.host(stage.encrypted_id) as host:
        execute(host, statement)


def _write(stage: Stage, statement: str) -> None:
    with stage.deployment.connected("orders") as source:
        rows(source, statement)


def _start(stage: Stage) -> None:
    with stage.session(stage.encrypted_id) as encrypted:
        channel.start(encrypted)


@fault(
    "It follows another server",
    "Replication",
    "The encrypted instance was made to follow another server.",
)
def _somebody_else(stage: Stage) -> None:
    with stage.session(stage.encrypted_id) as encrypted:
        channel.attach(
            encrypted,
            Endpoint("elsewhere.example", 3306),
            Credentials("u", "p"),
            Coordinates("bin.000001", 4),
        )


@fault("It follows no source", "Replication", "The channel was reset, or the instance was promoted.")
def _nobody(stage: Stage) -> None:
    with stage.session(stage.source_id) as source:
        channel.start(source)


@fault(
    "RDS refuses an external source",
    "Replication",
    "The instance is marked as a replica that RDS manages; RDS's procedure refuses.",
)
def _managed(stage: Stage) -> None:
    source = endpoint_of(stage.instances.get(stage.source_id))
    stage.later.callback(_resume, stage)
    with stage.session(stage.replica_id) as replica:
        channel.attach(
            replica, source, Credentials(accounts.REPLICATION_USER, "p"), Coordinates("bin.000001", 4)
        )


def _resume(stage: Stage) -> None:
    with stage.session(stage.replica_id) as replica:
        channel.start(replica)


@fault(
    "The replica has moved",
    "Replication",
    "The replica was rebooted, which starts its replication, before its snapshot was complete.",
)
def _moved(stage: Stage) -> None:
    provider, context = ExternalReplicationProvider(), stage.world()
    source, replica = context.instances.get_several(stage.source_id, stage.replica_id)
    provider._require_snapshot_of_unmoved(
        context, source, replica, Coordinates("mysql-bin-changelog.000001", 4)
    )


@fault(
    "The snapshot holds other coordinates",
    "Replication",
    "The replica and the encrypted instance were deleted; both were made again, the snapshot was not.",
)
def _other_coordinates(stage: Stage) -> None:
    _attached_at(stage, stage.replica_id, Coordinates("mysql-bin-changelog.000099", 4))


@fault("The channel was reset", "Replication", "The channel of the encrypted instance was reset.")
def _reset(stage: Stage) -> None:
    _attached_at(stage, stage.encrypted_id, Coordinates("mysql-bin-changelog.000001", 4))


def _attached_at(stage: Stage, encrypted_id: str, coordinates: Coordinates) -> None:
    world = stage.world()
    source, encrypted = world.instances.get_several(stage.source_id, encrypted_id)
    with world.access.session(encrypted) as follower:
        args = stage.args(ExternalReplicationArgs, file=coordinates.file, position=coordinates.position)
        ExternalReplicationProvider()._attach(world, args, source, encrypted, follower)


@fault("Duplicate key (1062)", "Replication", "A row was inserted into the encrypted instance.")
def _duplicate(stage: Stage) -> None:
    insert = f"INSERT INTO shop.customers (id, name, email) VALUES ({_ROW}, 'x', 'x@example.com')"
    _behind_its_back(stage, insert)
    stage.later.callback(_start, stage)
    stage.later.callback(_behind_its_back, stage, f"DELETE FROM shop.customers WHERE id = {_ROW}")
    _write(stage, insert)
    _follow(stage)


@fault("Missing row (1032)", "Replication", "A row of the encrypted instance was deleted.")
def _missing(stage: Stage) -> None:
    _behind_its_back(stage, f"DELETE FROM shop.customers WHERE id = {_ROW}")
    stage.later.callback(_start, stage)
    stage.later.callback(
        _behind_its_back,
        stage,
        f"INSERT INTO shop.customers (id, name, email) VALUES ({_ROW}, 'x', 'x@example.com')",
    )
    _write(stage, f"UPDATE shop.customers SET name = 'y' WHERE id = {_ROW}")
    _follow(stage)


@fault(
    "A change that cannot be made here",
    "Replication",
    "The encrypted instance lacks a table that the source writes to.",
)
def _no_table(stage: Stage) -> None:
    _write(stage, "CREATE TABLE shop.only_there (id INT PRIMARY KEY)")
    _follow(stage)
    _behind_its_back(stage, "DROP TABLE shop.only_there")
    stage.later.callback(_start, stage)
    stage.later.callback(_behind_its_back, stage, "CREATE TABLE shop.only_there (id INT PRIMARY KEY)")
    _write(stage, "INSERT INTO shop.only_there VALUES (1)")
    _follow(stage)


@fault(
    "The storage of the encrypted instance is full",
    "Replication",
    "What the source writes does not fit into the encrypted instance any more.",
)
def _full(stage: Stage) -> None:
    _heap(stage, 16_384)
    stage.later.callback(_make_room, stage)
    _write(stage, "CREATE TABLE shop.growing (content CHAR(250)) ENGINE=MEMORY")
    _write(stage, f"INSERT INTO shop.growing VALUES {', '.join(['(REPEAT(1, 250))'] * 500)}")
    _follow(stage)


def _heap(stage: Stage, size: int) -> None:
    """Set how large a table in memory may grow; the applier reads that when it starts."""
    with stage.host(stage.encrypted_id) as host:
        execute(host, f"SET GLOBAL max_heap_table_size = {size}")
        execute(host, "STOP SLAVE SQL_THREAD")
        execute(host, "START SLAVE SQL_THREAD")


def _make_room(stage: Stage) -> None:
    with stage.host(stage.encrypted_id) as host:
        execute(host, "SET GLOBAL max_heap_table_size = 16777216")
        execute(host, "SET SESSION max_heap_table_size = 16777216")
        execute(host, "ALTER TABLE shop.growing ENGINE=MEMORY")
    _start(stage)
    _write(stage, "DROP TABLE shop.growing")


@fault(
    "TLS is refused",
    "Replication",
    "The source lets nobody connect by TLS any more, without which the replication account may not log in.",
)
def _no_tls(stage: Stage) -> None:
    with stage.host(stage.source_id) as host:
        files = query(
            host, "SELECT @@GLOBAL.ssl_ca AS ca, @@GLOBAL.ssl_cert AS cert, @@GLOBAL.ssl_key AS pem"
        )[0]
        stage.later.callback(_tls, stage, files["ca"], files["cert"], files["pem"])
    # Opened while that is possible: the program's own sessions use TLS as well.
    with stage.session(stage.source_id), stage.session(stage.encrypted_id) as encrypted:
        _tls(stage, "", "", "")
        channel.stop(encrypted)
        channel.start(encrypted)


def _tls(stage: Stage, authority: str, certificate: str, key: str) -> None:
    with stage.host(stage.source_id) as host:
        execute(host, f"SET GLOBAL ssl_ca = '{authority}', ssl_cert = '{certificate}', ssl_key = '{key}'")
        execute(host, "ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR")
        _end_dumps(host)


@fault("The replication account is gone", "Replication", "It was dropped, or its password was changed.")
def _no_account(stage: Stage) -> None:
    stage.later.callback(mend, stage)
    with stage.host(stage.source_id) as host:
        execute(host, f"DROP USER '{accounts.REPLICATION_USER}'@'%'")
        _end_dumps(host)
    with stage.session(stage.encrypted_id) as encrypted:
        channel.stop(encrypted)
        channel.start(encrypted)


def _end_dumps(host: Any) -> None:
    for row in query(
        host, "SELECT id AS id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%'"
    ):
        with suppress(pymysql.err.OperationalError):  # it has ended by itself
            execute(host, f"KILL {int(row['id'])}")


@fault(
    "The relay log is damaged", "Replication", "A file system loses what was fetched and not executed yet."
)
def _relay_log(stage: Stage) -> None:
    stage.later.callback(mend, stage)
    with stage.host(stage.encrypted_id) as host:
        execute(host, "STOP SLAVE SQL_THREAD")
        for number in range(20):
            _write(stage, f"UPDATE shop.customers SET name = 'z{number}' WHERE id = {_ROW}")
        status = _fetched(host)
    relay = stage.directory(stage.encrypted_id) / "data" / str(status["Relay_Log_File"])
    content = relay.read_bytes()
    at = int(status["Relay_Log_Pos"])
    relay.write_bytes(content[:at] + b"\xff" * (len(content) - at))
    with stage.session(stage.encrypted_id) as encrypted:
        channel.start(encrypted)


def _fetched(host: Any) -> dict[str, Any]:
    """Wait until nothing more is fetched."""
    positions: list[int] = []

    def look() -> dict[str, Any]:
        status: dict[str, Any] = query(host, "SHOW SLAVE STATUS")[0]
        positions.append(int(status["Read_Master_Log_Pos"]))
        return status

    return until(
        Wait("the relay log to grow no more", deadline=20, first=0.2, longest=0.2),
        look,
        done=lambda _: len(positions) > _IDLE and len(set(positions[-_IDLE:])) == 1,
    )


@fault(
    "Binlogs are purged (1236)",
    "Replication",
    "The source kept its binlogs for a shorter time than the encrypted instance needed them.",
)
def _purged(stage: Stage) -> None:
    with stage.session(stage.encrypted_id) as encrypted:
        stands = channel.stop(encrypted).read
        with stage.host(stage.replica_id) as host:
            execute(host, "STOP SLAVE")
        with stage.host(stage.source_id) as host:
            _end_dumps(host)
            execute(host, "FLUSH BINARY LOGS")
            execute(host, "FLUSH BINARY LOGS")
            time.sleep(0.2)
            newest = query(host, "SHOW MASTER STATUS")[0]["File"]
            execute(host, f"PURGE BINARY LOGS TO '{newest}'")
        assert stands < Coordinates(newest, 4)
        channel.start(encrypted)
