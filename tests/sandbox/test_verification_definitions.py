"""Definitions on real servers: what is missing or different on the copy is named, and passwords are compared without being shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rds_encrypt.verification.definitions import compare_variables, read_definitions
from tests.sandbox.mysql_support import VERSIONS, Farm
from tests.sandbox.verification_support import Twins, session, twins

OBJECTS = (
    "CREATE TABLE items (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), price DECIMAL(10,2), d DATE)",
    "ALTER TABLE items ADD KEY by_name (name), ADD KEY by_price (price)",
    "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
    "CREATE TABLE children (id INT PRIMARY KEY, item INT, CONSTRAINT of_item FOREIGN KEY (item) REFERENCES items (id))",
    "CREATE VIEW cheap AS SELECT id, name FROM items WHERE price < 10",
    "CREATE PROCEDURE raise_all(IN percent INT) UPDATE items SET price = price * (1 + percent / 100)",
    "CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n",
    "CREATE TRIGGER trim_name BEFORE INSERT ON items FOR EACH ROW SET NEW.name = TRIM(NEW.name)",
    "CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM items WHERE price IS NULL",
    "INSERT INTO items (name, price) VALUES ('a', 1), ('b', 20)",
)
ACCOUNTS = (
    "DROP USER IF EXISTS clerk@'%'",
    "CREATE USER clerk@'%' {} REQUIRE SSL",
    "GRANT SELECT, INSERT ON shop.* TO clerk@'%'",
    "GRANT UPDATE (price) ON shop.items TO clerk@'%'",
)


@pytest.fixture(scope="module", params=VERSIONS)
def pair(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Twins]:
    with twins(
        tmp_path_factory.mktemp("twins"), request.param, {"log_bin_trust_function_creators": "ON"}
    ) as pair:
        yield pair


@pytest.fixture
def shop(pair: Twins) -> Twins:
    pair.empty()
    pair.both(*OBJECTS, *(statement.format(pair.identified("A")) for statement in ACCOUNTS))
    return pair


def test_a_clean_copy_is_clean(shop: Twins) -> None:
    assert shop.found() == []


def test_events_that_sleep_and_counters_that_are_behind_are_no_difference(shop: Twins) -> None:
    shop.ours.execute("INSERT INTO items (id, name) VALUES (900, 'rolled back')")
    shop.ours.execute("DELETE FROM items WHERE id = 900")
    shop.corrupt("ALTER EVENT tidy DISABLE")
    assert shop.found() == []


CORRUPTIONS = {
    "a changed collation": (
        "ALTER TABLE items MODIFY name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "table",
        "shop.items",
        "utf8mb4_bin",
    ),
    "a dropped index": ("ALTER TABLE items DROP INDEX by_price", "table", "shop.items", "nothing"),
    "an extra index": ("ALTER TABLE items ADD INDEX extra (d)", "table", "shop.items", "extra"),
    "another type": ("ALTER TABLE items MODIFY price DECIMAL(11,2)", "table", "shop.items", "decimal(11,2)"),
    "another default": (
        "ALTER TABLE items ALTER d SET DEFAULT '2020-01-01'",
        "table",
        "shop.items",
        "2020-01-01",
    ),
    "a lost foreign key": (
        "ALTER TABLE children DROP FOREIGN KEY of_item",
        "table",
        "shop.children",
        "of_item",
    ),
    "other partitions": ("ALTER TABLE parts COALESCE PARTITION 1", "table", "shop.parts", "PARTITIONS 2"),
    "a lost table": ("DROP TABLE children", "table", "shop.children", "missing"),
    "an extra table": ("CREATE TABLE more (id INT)", "table", "shop.more", "present"),
    "another view": (
        "CREATE OR REPLACE VIEW cheap AS SELECT id, name FROM items WHERE price <= 10",
        "view",
        "shop.cheap",
        "<= 10",
    ),
    "a lost procedure": ("DROP PROCEDURE raise_all", "procedure", "shop.raise_all", "missing"),
    "a lost function": ("DROP FUNCTION twice", "function", "shop.twice", "missing"),
    "a lost trigger": ("DROP TRIGGER trim_name", "trigger", "shop.trim_name", "missing"),
    "another event": (
        "ALTER EVENT tidy ON SCHEDULE EVERY 2 DAY STARTS '2030-01-01 00:00:00'",
        "event",
        "shop.tidy",
        "EVERY 2 DAY",
    ),
    "another character set of the database": (
        "ALTER DATABASE shop CHARACTER SET latin1",
        "schema",
        "shop",
        "latin1",
    ),
    "a lost grant": ("REVOKE INSERT ON shop.* FROM clerk@'%'", "account", "'clerk'@'%'", "GRANT SELECT ON"),
    "a lost grant on a column": (
        "REVOKE UPDATE (price) ON shop.items FROM clerk@'%'",
        "account",
        "'clerk'@'%'",
        "nothing",
    ),
    "a locked account": ("ALTER USER clerk@'%' ACCOUNT LOCK", "account", "'clerk'@'%'", "ACCOUNT LOCK"),
    "a lost account": ("DROP USER clerk@'%'", "account", "'clerk'@'%'", "missing"),
}


@pytest.mark.parametrize(("change", "kind", "subject", "fragment"), CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_changed_definition_is_found(
    shop: Twins, change: str, kind: str, subject: str, fragment: str
) -> None:
    shop.corrupt(change)
    differences = [difference for difference in shop.compare().differences if difference.kind not in {"rows"}]

    assert {(difference.kind, difference.subject) for difference in differences} == {(kind, subject)}
    assert any(fragment in difference.copy for difference in differences)


def test_another_password_is_found_and_not_shown(shop: Twins) -> None:
    shop.corrupt(f"ALTER USER clerk@'%' {shop.identified('B')}")
    hashes = [
        str(session.value("SELECT authentication_string FROM mysql.user WHERE user = 'clerk'"))
        for session in (shop.ours, shop.theirs)
    ]
    assert hashes[0] != hashes[1]

    result = shop.compare()

    assert [str(difference) for difference in result.differences] == [
        "account 'clerk'@'%', password: one on the source's side, another on the copy"
    ]
    shown = repr(result) + str(result.differences[0].as_plain())
    assert not any(secret.strip("*") in shown for secret in hashes)


def test_other_settings_of_an_account_do_not_show_its_password(shop: Twins) -> None:
    shop.corrupt(f"ALTER USER clerk@'%' {shop.identified('B')} REQUIRE NONE")
    shown = repr(shop.compare())
    for side in (shop.ours, shop.theirs):
        stored = side.value("SELECT authentication_string FROM mysql.user WHERE user = 'clerk'")
        assert str(stored).strip("*") not in shown
    assert "REQUIRE NONE" in shown


def test_a_counter_behind_its_rows_is_found(shop: Twins) -> None:
    """As InnoDB of 5.7 leaves it when a key is changed to a higher one."""
    shop.ours.execute("INSERT INTO items (id, name) VALUES (500, 'x')")
    shop.corrupt("INSERT INTO items (id, name) VALUES (3, 'x')", "UPDATE items SET id = 500 WHERE id = 3")
    behind = (
        int(
            shop.theirs.value(
                "SELECT auto_increment FROM information_schema.tables WHERE table_schema = 'shop' AND table_name = 'items'"
            )
        )
        <= 500
    )
    sentences = shop.found()
    assert any("counter shop.items" in sentence for sentence in sentences) == behind


def test_variables_that_change_what_statements_mean(shop: Twins) -> None:
    assert compare_variables(shop.ours, shop.theirs) == []
    shop.copy.set_parameters({"sql_mode": "ANSI_QUOTES", "default_week_format": "3"})
    try:
        differences = compare_variables(shop.ours, shop.theirs)
    finally:
        shop.copy.set_parameters({"sql_mode": None, "default_week_format": None})
    assert [(difference.subject, difference.copy) for difference in differences] == [
        ("default_week_format", "3"),
        ("sql_mode", "ANSI_QUOTES"),
    ]


HIDDEN = {
    "a member of an ENUM": ("e ENUM('a','{}')", "members of `e`: 'a', '😀'", VERSIONS),
    "a member of a SET": ("e SET('a','{}','b')", "members of `e`: 'a', '😀', 'b'", VERSIONS),
    "one of several members": ("e ENUM('?','x,''y','{}') NOT NULL", "'x,''y', '😀'", VERSIONS),
    "a member of a generated ENUM": ("e ENUM('a','{}') AS (1)", "members of `e`: 'a', '😀'", VERSIONS),
    "a default": ("e VARCHAR(9) NOT NULL DEFAULT '{}'", "default of `e`: '😀'", VERSIONS),
    "the default of an ENUM": ("e ENUM('a','{}') DEFAULT '{}'", "default of `e`: '😀'", VERSIONS),
    "a default that is an expression": ("e VARCHAR(9) DEFAULT (CONCAT('{}'))", "😀", ("8.0", "9.7")),
    "a generated column": ("e VARCHAR(9) AS (CONCAT(id, '{}'))", "😀", ("8.0", "9.7")),
    "a check": ("e VARCHAR(9), CHECK (e <> '{}')", "😀", ("8.0", "9.7")),
    "an index on an expression": ("e VARCHAR(9), KEY f ((CONCAT(e, '{}')))", "😀", ("8.0", "9.7")),
    "partitions": (
        "e VARCHAR(9) NOT NULL, PRIMARY KEY (id, e)) PARTITION BY LIST COLUMNS (e) (PARTITION p VALUES IN ('{}')",
        "F09F9880",
        VERSIONS,
    ),
}
"""Parts of a definition that MySQL shows with a question mark, and what is to be said of them."""


@pytest.mark.parametrize(("columns", "words", "versions"), HIDDEN.values(), ids=HIDDEN)
def test_characters_of_four_bytes_are_compared_although_mysql_shows_question_marks(
    shop: Twins, columns: str, words: str, versions: tuple[str, ...]
) -> None:
    version = ".".join(map(str, shop.ours.version[:2]))
    if version not in versions:
        pytest.skip(f"{version} has no such definitions, or compares them with the rows")
    keyed = "" if "PRIMARY KEY" in columns else " PRIMARY KEY"

    def table(character: str) -> str:
        return f"CREATE TABLE hidden (id INT{keyed}, {columns.replace('{}', character)})"

    shop.both(table("😀"))
    assert shop.found() == []
    shop.corrupt("DROP TABLE hidden", table("?"))
    differences = [difference for difference in shop.compare().differences if difference.kind == "table"]
    assert [difference.subject for difference in differences][:1] == ["shop.hidden"]
    # 9.7 shows the default of a string itself, in hexadecimal.
    assert any(
        words in difference.reference or "DEFAULT 0xF09F9880" in difference.reference
        for difference in differences
    )


def test_two_characters_of_four_bytes_are_two(shop: Twins) -> None:
    shop.both("CREATE TABLE hidden (id INT PRIMARY KEY, `e %` ENUM('a','😀'))")
    shop.corrupt("ALTER TABLE hidden MODIFY `e %` ENUM('a','😁')")
    assert [str(difference) for difference in shop.compare().differences] == [
        "table shop.hidden, definition: «members of `e %`: 'a', '😀'» on the source's side, «members of `e %`: 'a', '😁'» on the copy"
    ]


def test_views_and_programs_are_shown_as_they_were_written(shop: Twins) -> None:
    shop.both("CREATE VIEW smile AS SELECT '😀' AS a", "CREATE PROCEDURE laugh() SELECT '😀'")
    shop.corrupt("CREATE OR REPLACE VIEW smile AS SELECT '?' AS a", "DROP PROCEDURE laugh")
    shop.corrupt("CREATE PROCEDURE laugh() SELECT '?'")
    assert {difference.subject for difference in shop.compare().differences} == {"shop.smile", "shop.laugh"}


def test_what_question_marks_stand_for_is_found_on_a_server_that_refuses_writes(shop: Twins) -> None:
    shop.both("CREATE TABLE hidden (id INT PRIMARY KEY, e ENUM('a','😀'), `sql mode` VARCHAR(9) DEFAULT '?')")
    shop.copy.set_parameters({"read_only": "1"})
    try:
        assert shop.found() == []
    finally:
        shop.copy.set_parameters({"read_only": None})


def test_an_account_that_may_not_make_temporary_tables_compares_what_mysql_shows(shop: Twins) -> None:
    shop.both(
        "CREATE TABLE hidden (id INT PRIMARY KEY, e ENUM('a','😀'))",
        "DROP USER IF EXISTS reader@'%'",
        "CREATE USER reader@'%' IDENTIFIED BY 'a secret'",
        "GRANT SELECT, SHOW VIEW ON *.* TO reader@'%'",
    )
    try:
        with session(shop.reference, database="shop", user="reader", password="a secret") as reader:
            definition = read_definitions(reader)["table", "shop.hidden"]
        assert "enum('a','?')" in definition
        assert "members" not in definition
    finally:
        shop.both("DROP USER reader@'%'")


STRICT = {
    "gtid_mode": "ON",
    "enforce_gtid_consistency": "ON",
    "sql_require_primary_key": "ON",
    "default_tmp_storage_engine": "MyISAM",
}
LATER = {"sql_mode": "ANSI,STRICT_ALL_TABLES,NO_ZERO_DATE,NO_BACKSLASH_ESCAPES", "read_only": "1"}
"""Settings of a parameter group that could be in the way of a temporary table."""


@pytest.mark.parametrize("version", VERSIONS)
def test_no_parameter_group_keeps_the_members_from_being_read(tmp_path: Path, version: str) -> None:
    parameters = {key: value for key, value in STRICT.items() if version != "5.7" or "require" not in key}
    with Farm.open(tmp_path, version) as farm:
        server = farm.new(parameters)
        with session(server, database="shop") as opened:
            opened.execute(
                "CREATE TABLE hidden (id INT PRIMARY KEY, e ENUM('a','😀') NOT NULL, d DATE NOT NULL, f VARCHAR(9) DEFAULT '?')"
                " CHARACTER SET utf8mb4"
            )
            server.set_parameters(LATER)
        with session(server, database="shop") as opened:
            definition = read_definitions(opened)["table", "shop.hidden"]
    assert "members of `e`: 'a', '😀'" in definition
    assert "default of `f`: '?'" in definition
