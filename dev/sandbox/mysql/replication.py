"""Replication as the host steers it: managed replicas, their markers, and what a restored copy must forget."""

from __future__ import annotations

import time
from typing import Any

from dev.sandbox.mysql.accounts import REPLICATION_USER, quoted
from dev.sandbox.mysql.errors import MySQLServerError
from dev.sandbox.mysql.sessions import AdminSession, execute, query
from dev.sandbox.mysql.state import Coordinates

__all__ = [
    "change_source",
    "clear",
    "drain",
    "is_managed",
    "mark_managed",
    "point_at",
    "resume",
    "source_coordinates",
    "status",
]

_MARKER = "action = 'disable set master' AND master_user = 'rdsrepladmin'"
_DRAIN_DEADLINE = 600.0


def status(session: AdminSession) -> dict[str, Any] | None:
    """SHOW SLAVE STATUS (the words of both versions), None where no source is configured."""
    rows = query(session, "SHOW SLAVE STATUS")
    return rows[0] if rows and rows[0]["Master_Host"] else None


def source_coordinates(session: AdminSession) -> Coordinates | None:
    """SHOW MASTER STATUS, None where the binary log is off."""
    rows = query(session, "SHOW MASTER STATUS")
    return Coordinates(rows[0]["File"], rows[0]["Position"]) if rows else None


def change_source(
    session: AdminSession, *, host: str, port: int, password: str, coordinates: Coordinates | None, retry: int
) -> None:
    """Follow a source as rdsrepladmin; by GTID where that is on, else from the coordinates. `retry`: in seconds."""
    by_gtid = query(session, "SELECT @@global.gtid_mode AS mode")[0]["mode"] == "ON"
    if not by_gtid and coordinates is None:
        raise MySQLServerError(f"Where in the binary log of {host} to begin is not known: give coordinates.")
    where = "MASTER_AUTO_POSITION = 1"
    if not by_gtid and coordinates is not None:
        where = f"MASTER_LOG_FILE = {quoted(coordinates.file)}, MASTER_LOG_POS = {coordinates.position}"
    execute(
        session,
        f"CHANGE MASTER TO MASTER_HOST = {quoted(host)}, MASTER_PORT = {port}, MASTER_USER = '{REPLICATION_USER}', "
        f"MASTER_PASSWORD = {quoted(password)}, MASTER_CONNECT_RETRY = {retry}, MASTER_SSL = 1, {where}",
    )


def point_at(session: AdminSession, *, host: str, port: int) -> None:
    """Follow the same source at its new address, from where the applier is; stopped replication stays stopped."""
    now = status(session)
    if now is None:
        raise MySQLServerError("This server follows no source that could have moved.")
    runs = {thread: now[f"Slave_{thread}_Running"] != "No" for thread in ("IO", "SQL")}
    execute(session, "STOP SLAVE")
    # A change of host forgets the position, unless it is given again.
    applied = query(session, "SHOW SLAVE STATUS")[0]
    position = ""
    if not applied["Auto_Position"]:
        file, offset = applied["Relay_Master_Log_File"], applied["Exec_Master_Log_Pos"]
        position = f", MASTER_LOG_FILE = {quoted(file)}, MASTER_LOG_POS = {offset}"
    execute(session, f"CHANGE MASTER TO MASTER_HOST = {quoted(host)}, MASTER_PORT = {port}{position}")
    for thread, ran in runs.items():
        if ran:
            execute(session, f"START SLAVE {thread}_THREAD")


def resume(session: AdminSession) -> bool:
    """Start what was configured before the server started, as RDS's agent does: a channel that was only stopped, too.

    It goes by rds_replication_status, and knows a goal that was set with start_replication_until again.
    """
    now = status(session)
    if now is None or now["Slave_IO_Running"] != "No" or now["Slave_SQL_Running"] != "No":
        return False
    rows = query(
        session,
        "SELECT action, replication_log_file AS file, replication_stop_point AS position FROM mysql.rds_replication_status "
        "WHERE COALESCE(channel_name, '') = ''",
    )
    known = rows[0] if rows and not is_managed(session) else None
    goal = ""
    if known is not None and known["action"] == "start slave until":
        goal = f" UNTIL MASTER_LOG_FILE = {quoted(known['file'])}, MASTER_LOG_POS = {known['position']}"
    execute(session, f"START SLAVE{goal}")
    return True


def drain(session: AdminSession) -> None:
    """Stop receiving, then wait until what was received is applied (if it is being applied at all)."""
    if status(session) is None:
        return
    execute(session, "STOP SLAVE IO_THREAD")
    end = time.monotonic() + _DRAIN_DEADLINE
    while not _drained(session):
        if time.monotonic() > end:
            raise MySQLServerError(f"The relay log was not applied within {_DRAIN_DEADLINE:.0f} s.")
        time.sleep(0.05)


def _drained(session: AdminSession) -> bool:
    now = status(session)
    if now is None or now["Slave_SQL_Running"] == "No":
        return True
    received = (now["Master_Log_File"], now["Read_Master_Log_Pos"])
    return received == (now["Relay_Master_Log_File"], now["Exec_Master_Log_Pos"])


def clear(session: AdminSession) -> None:
    """Forget any source."""
    if status(session) is not None:
        execute(session, "STOP SLAVE")
    execute(session, "RESET SLAVE ALL")


def is_managed(session: AdminSession) -> bool:
    """Whether the marker of RDS's own replicas is set."""
    return bool(query(session, f"SELECT 1 FROM mysql.rds_history WHERE {_MARKER} LIMIT 1"))


def mark_managed(session: AdminSession, *, managed: bool) -> None:
    """Set or clear it, as RDS does, in the history of replication."""
    if managed and not is_managed(session):
        execute(
            session,
            "INSERT INTO mysql.rds_history (called_by_user, action, mysql_version, master_user) "
            "VALUES (USER(), 'disable set master', VERSION(), 'rdsrepladmin')",
        )
    elif not managed:
        execute(session, f"UPDATE mysql.rds_history SET action = 'enable set master' WHERE {_MARKER}")
