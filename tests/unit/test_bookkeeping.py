"""RDS's own writes are told from those of applications; what is not certainly RDS's is an application's."""

from __future__ import annotations

from typing import Any

import pytest

from foundation.errors import ActionRequired
from replication import writes
from replication.bookkeeping import changes_of_applications
from replication.coordinates import Coordinates, lie_together, wrote_since
from replication.session import Row
from tests.unit.fakes import FakeSession

HEARTBEAT = "INSERT INTO mysql.rds_heartbeat2(id, value) values (1,1700000000000) ON DUPLICATE KEY UPDATE value = 1700000000000"


def event(kind: str, info: str = "", position: int = 4, file: str = "b.000001") -> Row:
    return {"Event_type": kind, "Info": info, "Pos": position, "Log_name": file}


def statement(text: str) -> list[Row]:
    """As a transaction in the binlog."""
    return [
        event("Anonymous_Gtid", "SET @@SESSION.GTID_NEXT= 'ANONYMOUS'"),
        event("Query", "BEGIN"),
        event("Query", text),
        event("Xid", "COMMIT /* xid=12 */"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        HEARTBEAT,
        f"use `mysql`; {HEARTBEAT}",
        f"use `shop`; {HEARTBEAT}",
        "use `mysql`; INSERT INTO rds_heartbeat2(id, value) VALUES (1, 5) ON DUPLICATE KEY UPDATE value = VALUES(value)",
        "INSERT INTO `mysql`.`rds_sysinfo` (`name`, `value`) VALUES ('innodb_txn_key','Thu Nov 15 10:30:07 UTC 2018')",
        "DELETE FROM mysql.rds_sysinfo where name = 'innodb_txn_key'",
        "UPDATE mysql.rds_configuration SET value = NULL WHERE name = 'binlog retention hours'",
        "REPLACE INTO mysql.rds_monitor VALUES (1, -2.5), (2, NULL);",
    ],
)
def test_a_statement_on_rds_s_own_tables_with_literals_alone_is_rds_s(text: str) -> None:
    assert not changes_of_applications(statement(text))


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO shop.orders VALUES (1)",
        "use `shop`; INSERT INTO rds_heartbeat2(id, value) values (1,2)",
        "use `shop`; INSERT INTO rds_history(a) values ('INSERT INTO mysql.rds_history')",
        "use `shop`; INSERT INTO `mysql.rds_history` values (1)",
        "INSERT INTO MYSQL.rds_heartbeat2 VALUES (1, 2)",
        "INSERT INTO mysql.RDS_HEARTBEAT2 VALUES (1, 2)",
        "INSERT INTO mysql.rds_unknown VALUES (1, 2)",
        "INSERT INTO mysql.user VALUES (1, 2)",
        "INSERT INTO mysql.rds_heartbeat2 VALUES (1, shop.f())",
        "INSERT INTO mysql.rds_heartbeat2 VALUES (1, (SELECT 1))",
        "INSERT INTO mysql.rds_heartbeat2 SELECT * FROM shop.t",
        "INSERT INTO mysql.rds_heartbeat2 VALUES (1, 2) ON DUPLICATE KEY UPDATE value = shop.f()",
        "INSERT INTO mysql.rds_heartbeat2 VALUES (1, 2); INSERT INTO shop.t VALUES (1)",
        "INSERT INTO mysql.rds_heartbeat2 VALUES (1, 'it''s') /* '*/",
        r"INSERT INTO mysql.rds_heartbeat2 VALUES (1, 'a\', shop.f(), \'')",
        "DELETE FROM mysql.rds_sysinfo WHERE name = shop.f()",
        "DELETE mysql.rds_sysinfo, shop.t FROM mysql.rds_sysinfo JOIN shop.t",
        "UPDATE mysql.rds_sysinfo, shop.t SET value = 1",
        "UPDATE mysql.rds_sysinfo SET value = 1 WHERE name = 'a' OR shop.f()",
        "DROP TABLE mysql.rds_heartbeat2",
        "TRUNCATE mysql.rds_heartbeat2",
        "CALL shop.p()",
        "SAVEPOINT a",
        "BEGIN; DELETE FROM shop.t",
        f"/* {HEARTBEAT} */ DELETE FROM shop.t",
    ],
)
def test_everything_else_is_an_application_s(text: str) -> None:
    assert changes_of_applications(statement(text))
    assert changes_of_applications([*statement(HEARTBEAT), *statement(text), *statement(HEARTBEAT)])


def rows(*tables: str, kind: str = "Write_rows", written: int | None = None) -> list[Row]:
    maps = [event("Table_map", f"table_id: {n} ({name})") for n, name in enumerate(tables, 70)]
    return [
        event("Gtid", "SET @@SESSION.GTID_NEXT= 'f0:7'"),
        event("Query", "BEGIN"),
        event("Rows_query", "# DELETE FROM shop.t"),
        *maps,
        event(kind, f"table_id: {written or 69 + len(tables)} flags: STMT_END_F"),
        event("Xid", "COMMIT /* xid=12 */"),
    ]


@pytest.mark.parametrize("kind", ["Write_rows", "Update_rows_v1", "Delete_rows", "Update_rows_partial"])
def test_changes_of_rows_are_told_by_their_tables(kind: str) -> None:
    assert not changes_of_applications(rows("mysql.rds_heartbeat2", kind=kind))
    assert not changes_of_applications(rows("mysql.rds_sysinfo", "mysql.rds_history", kind=kind))
    assert changes_of_applications(rows("shop.rds_heartbeat2", kind=kind))
    assert changes_of_applications(rows("mysql.user", kind=kind))
    assert changes_of_applications(rows("mysql.rds_heartbeat2", "shop.t", kind=kind))
    assert changes_of_applications(rows("mysql.rds_heartbeat2", kind=kind, written=99))


@pytest.mark.parametrize("kind", ["XA_prepare", "Load_file", "Incident", "an event of tomorrow"])
def test_an_event_that_nobody_knows_counts(kind: str) -> None:
    assert changes_of_applications([event(kind)])


FRAMES = [event("Format_desc"), event("Previous_gtids"), event("Rotate", position=200)]


def source(events: dict[str, list[Row]], **more: Any) -> FakeSession:
    session = FakeSession({"SHOW BINARY LOGS": [{"Log_name": name} for name in events], **more})

    def events_of() -> list[Row]:
        statement, (file, *_) = session.sent[-1]
        assert statement.startswith("SHOW BINLOG EVENTS")
        return events[str(file)]

    session.answers["SHOW BINLOG EVENTS"] = events_of
    return session


def test_binlogs_that_were_purged_are_no_proof_of_anything() -> None:
    with pytest.raises(ActionRequired, match="are not there any more") as caught:
        wrote_since(source({"b.000003": FRAMES}), Coordinates("b.000002", 157))
    assert "binlogRetentionHours" in caught.value.fix


def test_a_write_in_a_later_file_counts_and_a_heartbeat_does_not() -> None:
    since = Coordinates("b.000001", 157)
    heartbeats = {"b.000001": FRAMES, "b.000002": [*FRAMES, *statement(HEARTBEAT)]}
    assert not wrote_since(source(heartbeats), since)
    hidden = {**heartbeats, "b.000003": [*statement(HEARTBEAT), *statement("DELETE FROM shop.t")]}
    assert wrote_since(source(hidden), since)


def test_coordinates_with_nothing_between_them_are_one() -> None:
    one, other = Coordinates("b.000001", 200), Coordinates("b.000002", 157)
    files = {"b.000001": [event("Rotate", position=200)], "b.000002": [event("Format_desc", file="b.000002")]}
    assert lie_together(source(files), one, other)
    assert lie_together(source(files), other, one)
    beat = {**files, "b.000002": [event("Anonymous_Gtid", file="b.000002", position=120)]}
    assert not lie_together(source(beat), one, other)


def test_a_source_with_a_heartbeat_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replication.writes.time.sleep", lambda _seconds: None)
    places = iter(range(100, 200))
    status = {"SHOW MASTER STATUS": lambda: [{"File": "b.000001", "Position": next(places)}]}
    quiet = source({"b.000001": statement(HEARTBEAT)}, **status)
    assert writes.settled_coordinates(quiet) == Coordinates("b.000001", 101)
    busy = source({"b.000001": statement("DELETE FROM shop.t")}, **status)
    with pytest.raises(Exception, match="still grows"):
        writes.settled_coordinates(busy)
