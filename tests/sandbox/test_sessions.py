"""A session is the same whatever the owner's parameter group says: every value that could change or end a statement is pinned."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dev.sandbox.mysql import MySQLServer
from dev.sandbox.mysql.sessions import execute
from rds_encrypt.core.errors import OutcomeUnknown
from rds_encrypt.mysql import channel, events, retention
from rds_encrypt.mysql.session import Session
from rds_encrypt.mysql.session_variables import PINNED
from rds_encrypt.settings import VerifySettings
from rds_encrypt.verification.checkpoint import Checkpoint
from rds_encrypt.verification.comparison import Comparison
from tests.sandbox.mysql_support import MASTER, VERSIONS, Farm
from tests.sandbox.verification_support import session

pytestmark = pytest.mark.slow

HOSTILE = {
    "autocommit": "0",
    "completion_type": "'CHAIN'",
    "transaction_isolation": "'SERIALIZABLE'",
    "transaction_read_only": "1",
    "sql_mode": "'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'",
    "time_zone": "'-07:00'",
    "max_execution_time": "1",
    "wait_timeout": "2",
    "interactive_timeout": "2",
    "net_read_timeout": "1",
    "net_write_timeout": "1",
    "lock_wait_timeout": "1",
    "innodb_lock_wait_timeout": "1",
    "sql_safe_updates": "1",
    "max_join_size": "1",
    "group_concat_max_len": "4",
    "max_sort_length": "4",
    "sql_auto_is_null": "1",
    "sql_quote_show_create": "0",
    "character_set_client": "latin1",
    "character_set_results": "latin1",
    "character_set_connection": "latin1",
    "collation_connection": "latin1_bin",
    # Last: from here on, the session that sets them would suffer as well.
    "sql_select_limit": "1",
}
"""All at once; what a version alone has is added in the test."""


@pytest.fixture(scope="module", params=VERSIONS)
def farm(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Farm]:
    with Farm.open(tmp_path_factory.mktemp("sessions"), request.param) as farm:
        yield farm


@pytest.fixture(scope="module")
def friendly(farm: Farm) -> MySQLServer:
    return filled(farm.new())


@pytest.fixture(scope="module")
def hostile(farm: Farm) -> MySQLServer:
    server = filled(farm.new())
    with server.admin() as admin:
        for name, value in HOSTILE.items():
            execute(admin, f"SET GLOBAL {name} = {value}")
        execute(admin, "SET GLOBAL show_create_table_verbosity = 1")
        if farm.binaries.release >= (8, 0):
            execute(admin, "SET GLOBAL print_identified_with_as_hex = 1")
    return server


def filled(server: MySQLServer) -> MySQLServer:
    with session(server, database="shop") as opened:
        for statement in (
            'CREATE TABLE `t` (id INT PRIMARY KEY, c CHAR(20), at TIMESTAMP NULL, e ENUM("a", "b")) ROW_FORMAT=DYNAMIC',
            "INSERT INTO t VALUES (1, 'a\\\\b', '2026-01-01 12:00:00', 'a'), (2, 'grün', NULL, 'b'), (3, '', NULL, NULL)",
            "CREATE VIEW v AS SELECT id, CONCAT(c, '-') AS \"c\" FROM t",
            "CREATE USER someone IDENTIFIED BY 'a password'",
            'CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS "2030-01-01" DISABLE DO INSERT INTO t VALUES (9, "x", NOW(), NULL)',
        ):
            opened.execute(statement)
    return server


def test_every_variable_has_the_value_that_is_written_down(hostile: MySQLServer) -> None:
    with session(hostile) as opened:
        for variable in PINNED:
            if opened.version >= variable.since:
                assert opened.value(f"SELECT @@SESSION.{variable.name} = {variable.value}") == 1, (
                    variable.name
                )
        for name in ("client", "connection", "results"):
            assert opened.value(f"SELECT @@SESSION.character_set_{name}") == "utf8mb4"


def test_nothing_is_cut_and_procedures_work(hostile: MySQLServer) -> None:
    with session(hostile, database="shop") as opened:
        assert len(opened.rows("SELECT * FROM t")) == 3
        assert opened.value("SELECT GROUP_CONCAT(id, c ORDER BY id) FROM t") == "1a\\b,2grün,3"
        assert opened.value("SELECT COUNT(*), SLEEP(0.1) FROM t a JOIN t b JOIN t c") == 27
        assert opened.row("SELECT 1 FROM t WHERE id IS NULL") is None
        opened.execute("INSERT INTO t VALUES (7, 'x', NULL, NULL)")
        opened.execute("UPDATE t SET c = 'y' WHERE c = 'x'")
        opened.execute("DELETE FROM t WHERE c = %s", "y")
        # Inside a transaction, RDS's procedures fail: they switch the binlog off for their own tables.
        retention.write(opened, 24)
        assert retention.read(opened) == 24
        assert channel.status(opened) is None
        time.sleep(3)
        assert opened.value("SELECT 1") == 1


def test_a_comparison_with_a_server_of_another_group_finds_nothing(
    friendly: MySQLServer, hostile: MySQLServer, farm: Farm
) -> None:
    comparison = Comparison(
        lambda: session(friendly),
        lambda: session(hostile),
        VerifySettings(threads=1),
        Checkpoint(None, ""),
        master=MASTER,
    )
    assert comparison.advance()
    # These two servers were made apart, and each salts its passwords.
    salted = {"password"} if farm.binaries.release >= (8, 4) else set()
    assert {difference.key for difference in comparison.result.differences} == salted
    assert comparison.result.rows == 3


@pytest.mark.parametrize("charset", ["latin1", "utf8mb4"])
def test_enabling_an_event_leaves_it_as_its_owner_made_it(friendly: MySQLServer, charset: str) -> None:
    """An event keeps the mode, the zone and the character sets of whoever made it; ours are not to get into it."""
    with session(friendly, database="shop") as opened, opened.character_set(charset, "utf8_unicode_ci"):
        opened.execute("SET SESSION sql_mode = 'ANSI_QUOTES', time_zone = '+02:00'")
        opened.execute("CREATE EVENT \"größe\" ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 'ß'")
    with session(friendly, database="shop") as opened:
        before = described(opened)
        (event,) = [event for event in events.inventory(opened) if event.name == "größe"]
        events.set_status(opened, event, enabled=True)
        after = described(opened)
        opened.execute("DROP EVENT größe")
    assert (before["character_set_client"], before["time_zone"]) == (charset, "+02:00")
    assert after == {**before, "Create Event": str(before["Create Event"]).replace("DISABLE", "ENABLE")}


def described(opened: Session) -> dict[str, object]:
    return opened.row("SHOW CREATE EVENT shop.größe") or {}


def test_a_session_that_was_lost_can_be_opened_again(hostile: MySQLServer) -> None:
    with session(hostile) as opened, session(hostile) as other:
        before = opened.value("SELECT CONNECTION_ID()")
        other.call("mysql.rds_kill", before)
        with pytest.raises(OutcomeUnknown):
            opened.value("SELECT 1")
        opened.reconnect()
        assert opened.value("SELECT CONNECTION_ID()") != before
        assert opened.value("SELECT @@SESSION.sql_mode") == ""


def test_roles_are_active(farm: Farm, friendly: MySQLServer) -> None:
    """On RDS the master user may have all that it has from `rds_superuser_role`, with no default role."""
    if farm.binaries.release < (8, 0):
        pytest.skip("5.7 has no roles")
    with session(friendly) as opened:
        user = str(opened.value("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"))
        with friendly.admin() as admin:
            execute(admin, "CREATE ROLE IF NOT EXISTS some_role")
            execute(admin, f"GRANT some_role TO '{user}'@'%'")
    with session(friendly) as opened:
        assert "some_role" in str(opened.value("SELECT CURRENT_ROLE()"))
