"""Verification on real servers: a clean copy is clean, and every corruption is found and named by table and key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rds_encrypt.verification.checkpoint import Checkpoint
from tests.sandbox.mysql_support import VERSIONS
from tests.sandbox.verification_support import Twins, twins

EVERYTHING = """
CREATE TABLE IF NOT EXISTS everything (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tiny TINYINT, flag BOOLEAN NOT NULL DEFAULT 0, big BIGINT UNSIGNED, padded INT ZEROFILL, exact DECIMAL(30,10),
  f FLOAT, f2 FLOAT(10,2), d DOUBLE, bits BIT(64), one BIT(1),
  kind ENUM('', 'a', 'b'), tags SET('x', 'y', 'z'), wide SET({wide}),
  doc JSON, place POINT, shape GEOMETRY,
  day DATE, at TIME(6), moment DATETIME(6), stamp TIMESTAMP(6) NULL, y YEAR,
  fixed CHAR(10), text8 VARCHAR(50) CHARACTER SET latin1, text16 VARCHAR(50) CHARACTER SET utf16,
  words VARCHAR(100) CHARACTER SET utf8mb4, essay LONGTEXT, small TEXT, raw BLOB, large LONGBLOB,
  bin BINARY(8), vbin VARBINARY(50),
  doubled BIGINT AS (tiny * 2) VIRTUAL, louder VARCHAR(110) AS (CONCAT(words, '!')) STORED,
  KEY (doubled)
) CHARACTER SET utf8mb4
""".format(wide=", ".join(f"'s{n}'" for n in range(64)))

ROWS = (
    "INSERT INTO everything (id, tiny, f, f2, d, bits, one, kind, tags, wide, doc, place, shape, day, at, moment, stamp, y,"
    " exact, big, padded, fixed, text8, text16, words, essay, small, raw, large, bin, vbin) VALUES"
    " (1, 1, 1e0/3, 1.25, 1e0/3, b'1', b'1', 'a', 'x,z', 's0,s63', '{\"b\": 1, \"a\": [1.5, null]}', POINT(1, 2),"
    " ST_GeomFromText('LINESTRING(0 0, 1 1)'), '2020-02-29', '-12:00:00.000001', '2020-01-01 00:00:00.123456',"
    " '2020-06-01 12:00:00.5', 2020, 12345678901234567890.0123456789, 18446744073709551615, 42, 'ab', 'é', 'é',"
    " 'snow ☃ and 😀', REPEAT('long ', 100000), 'x', 0x00FF00, REPEAT(0xAB, 300000), 0x01, 0x0100),"
    " (2, -1, -0e0, 0, -0e0, b'0', b'0', '', '', '', '{}', NULL, NULL, '0000-00-00', '00:00:00', '0000-00-00 00:00:00',"
    " NULL, 1901, 0, 0, 0, '', '', '', '', '', '', '', '', '', ''),"
    " (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
)


@pytest.fixture(scope="module", params=VERSIONS)
def pair(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Twins]:
    with twins(tmp_path_factory.mktemp("twins"), request.param) as pair:
        pair.both("SET sql_mode = ''")
        yield pair


@pytest.fixture
def everything(pair: Twins) -> Twins:
    # The table stays: to make it again for each corruption would take longer than finding that.
    pair.both(EVERYTHING, "DELETE FROM everything", ROWS)
    return pair


def test_a_clean_copy_is_clean(everything: Twins) -> None:
    result = everything.compare()

    assert result.differences == ()
    assert (result.tables, result.rows) == (1, 3)


CORRUPTIONS = {
    "a flipped byte in a blob": ("large = CONCAT(REPEAT(0xAB, 299999), 0xAA)", 1),
    "a flipped byte in a small blob": ("raw = 0x00FF01", 1),
    "a flipped byte at the end of a long text": ("essay = CONCAT(LEFT(essay, 499999), '?')", 1),
    "NULL instead of an empty string": ("words = NULL", 2),
    "an empty string instead of NULL": ("words = ''", 3),
    "NULL instead of an empty text": ("essay = NULL", 2),
    "NULL instead of an empty blob": ("raw = NULL", 2),
    "NULL instead of nought": ("tiny = NULL", 2),
    "a trailing space": ("words = CONCAT(words, ' ')", 2),
    "a trailing space in latin1": ("text8 = 'é '", 1),
    "another case": ("words = REPLACE(words, 'snow', 'Snow')", 1),
    "an accent": ("text8 = 'e'", 1),
    "another emoji": ("words = 'snow ☃ and 😁'", 1),
    "another character in utf16": ("text16 = 'è'", 1),
    "the last digit of a float": ("f = 0.33333337", 1),
    "the last digit of a double": ("d = 0.3333333333333334", 1),
    "nought instead of minus nought (float)": ("f = 0e0", 2),
    "nought instead of minus nought (double)": ("d = 0e0", 2),
    "a hundredth": ("f2 = 1.26", 1),
    "a value in JSON": ('doc = \'{"b": 1, "a": [1.5, false]}\'', 1),
    "a null in JSON instead of NULL": ("doc = 'null'", 3),
    "a float's last digit in JSON": ('doc = \'{"b": 1, "a": [1.5000000000000002, null]}\'', 1),
    "a bit": ("bits = bits | (1 << 63)", 1),
    "the error value of an enumeration": ("kind = 'none of them'", 2),
    "the last of 64 members": ("wide = 's0,s62,s63'", 1),
    "a microsecond": ("moment = '2020-01-01 00:00:00.123457'", 1),
    "a microsecond of a time": ("at = '-12:00:00.000002'", 1),
    "a microsecond of a timestamp": ("stamp = '2020-06-01 12:00:00.500001'", 1),
    "a zero date": ("day = NULL", 2),
    "the tenth place of a decimal": ("exact = 12345678901234567890.0123456788", 1),
    "the largest number": ("big = 18446744073709551614", 1),
    "a point": ("place = POINT(1, 3)", 1),
    "a nought byte at the end": ("vbin = 0x010000", 1),
    "a fixed string": ("fixed = 'ac'", 1),
    "a year": ("y = 2021", 1),
}


@pytest.mark.parametrize(("change", "row"), CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_changed_value_is_found(everything: Twins, change: str, row: int) -> None:
    everything.corrupt(f"UPDATE everything SET {change} WHERE id = {row}")

    (difference,) = everything.compare(threads=1).differences

    assert (difference.kind, difference.subject, difference.key) == ("row", "shop.everything", f"id={row}")


def test_a_missing_and_an_extra_row_are_found(everything: Twins) -> None:
    everything.corrupt("DELETE FROM everything WHERE id = 2", "INSERT INTO everything (id) VALUES (9)")

    assert everything.found() == [
        "row shop.everything, id=2: present on the source's side, missing on the copy",
        "row shop.everything, id=9: missing on the source's side, present on the copy",
    ]


def test_a_swap_of_neighbouring_values_is_found(pair: Twins) -> None:
    """Without lengths, ('a#', 'b') and ('a', '#b') would be one string; without a mark, so would NULLs in other places."""
    pair.empty()
    pair.both(
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9), c VARCHAR(9))",
        "INSERT INTO t VALUES (1, 'a#', 'b', NULL), (2, 'x', NULL, NULL), (3, '1#x', '', 'N')",
    )
    assert pair.found() == []
    pair.corrupt(
        "UPDATE t SET a = 'a', b = '#b' WHERE id = 1",
        "UPDATE t SET a = NULL, b = 'x' WHERE id = 2",
        "UPDATE t SET a = '1', b = 'x#', c = 'N' WHERE id = 3",
    )
    assert [difference.key for difference in pair.compare().differences] == ["id=1", "id=2", "id=3"]


KEYS = {
    "number": ("k BIGINT", "{n}"),
    "negative numbers with gaps": ("k BIGINT", "{n} * {n} * 1000003 - 5000000000"),
    "text": ("k VARCHAR(40) CHARACTER SET utf8mb4", "CONCAT('kéy ☃ ', {n})"),
    "latin1": ("k VARCHAR(40) CHARACTER SET latin1", "CONCAT('kéy ', {n})"),
    "ascii, compared by bytes": (
        "k CHAR(40) CHARACTER SET ascii COLLATE ascii_bin",
        "LEFT(SHA2({n}, 224), 40)",
    ),
    "bytes": ("k BINARY(16)", "UNHEX(LEFT(SHA2({n}, 224), 32))"),
    "decimal": ("k DECIMAL(20,5)", "{n} / 7"),
    "date": ("k DATETIME(6)", "'2020-01-01' + INTERVAL {n} * 1000 MICROSECOND"),
    "bits": ("k BIT(40)", "{n}"),
}


@pytest.mark.parametrize(("column", "value"), KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("composite", [False, True])
def test_every_kind_of_key_is_cut_and_searched(
    pair: Twins, column: str, value: str, *, composite: bool
) -> None:
    pair.empty()
    first = value.format(n="(n DIV 7)" if composite else "n")
    pair.both(
        "CREATE TABLE digits (n INT PRIMARY KEY)",
        "INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
        f"CREATE TABLE t ({column} NOT NULL, j VARCHAR(9) NOT NULL, v INT,"
        f" PRIMARY KEY ({'k, j' if composite else 'k'}))",
        f"INSERT INTO t SELECT {first}, n % 7, n FROM (SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n"
        " FROM digits a, digits b, digits c, digits d WHERE d.n < 3) numbers",
    )
    pair.both("ANALYZE TABLE t")
    clean = pair.compare(rows=200)
    assert clean.differences == ()
    assert clean.chunks > 10
    assert clean.rows == 3010

    pair.corrupt("UPDATE t SET v = -1 WHERE v IN (0, 1777, 2999)", "DELETE FROM t WHERE v = 801")
    differences = pair.compare(rows=200).differences
    assert len(differences) == 4
    assert [difference.copy for difference in differences].count("missing") == 1
    assert {difference.subject for difference in differences} == {"shop.t"}


@pytest.mark.parametrize(
    ("definition", "insert"),
    [
        ("CREATE TABLE t (a INT, b VARCHAR(9))", "(1, 'x'), (1, 'x'), (2, NULL), (NULL, NULL), (NULL, NULL)"),
        (
            "CREATE TABLE t (a INT, b VARCHAR(9), UNIQUE (a))",
            "(1, 'x'), (2, NULL), (NULL, 'x'), (NULL, 'x'), (NULL, NULL)",
        ),
        (
            "CREATE TABLE t (a FLOAT NOT NULL, b VARCHAR(9), PRIMARY KEY (a))",
            "(1, 'x'), (2, NULL), (0.1, 'x'), (3, 'x'), (4, NULL)",
        ),
        (
            "CREATE TABLE t (a INT, b TEXT NOT NULL, UNIQUE (b(5)))",
            "(1, 'x'), (2, 'y'), (0, 'z'), (3, ''), (4, '!')",
        ),
    ],
)
def test_tables_without_a_usable_key(pair: Twins, definition: str, insert: str) -> None:
    pair.empty()
    pair.both(definition, f"INSERT INTO t VALUES {insert}")
    assert pair.found() == []

    pair.corrupt("DELETE FROM t WHERE a = 2")
    (sentence,) = pair.found()
    assert sentence.startswith("row shop.t, the row with digest ")
    assert sentence.endswith(" present 1 time on the source's side, missing on the copy")


def test_an_invisible_index_is_no_key(pair: Twins) -> None:
    """MySQL refuses a statement that names one, and reads the whole table for one that does not."""
    if pair.ours.version < (8, 0, 0):
        pytest.skip("5.7 has no invisible indexes")
    pair.empty()
    pair.both(
        "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, c BIGINT NOT NULL, UNIQUE k1 (a, b), UNIQUE k2 (c) INVISIBLE)",
        "INSERT INTO t SELECT seq, seq, seq * 1000 FROM (WITH RECURSIVE n (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n"
        " WHERE seq < 900) SELECT seq FROM n) numbers",
    )
    pair.both("ANALYZE TABLE t")
    assert list(pair.compare(rows=200).differences) == []
    pair.corrupt("DELETE FROM t WHERE a = 801")
    assert len(pair.found()) == 1


def test_pairs_of_equal_rows_count(pair: Twins) -> None:
    """What exclusive or would hide: two equal rows cancel each other out."""
    pair.empty()
    pair.both("CREATE TABLE t (a INT)")
    pair.ours.execute("INSERT INTO t VALUES (1), (1), (2)")
    pair.theirs.execute("INSERT INTO t VALUES (3), (3), (2)")
    assert len(pair.found()) == 2
    pair.corrupt("TRUNCATE t", "INSERT INTO t VALUES (1), (2), (2)")
    assert [sentence.partition(": ")[2] for sentence in pair.found()] in (
        [
            "present 2 times on the source's side, present 1 time on the copy",
            "present 1 time on the source's side, present 2 times on the copy",
        ],
        [
            "present 1 time on the source's side, present 2 times on the copy",
            "present 2 times on the source's side, present 1 time on the copy",
        ],
    )


def test_partitioned_tables(pair: Twins) -> None:
    pair.empty()
    pair.both(
        "CREATE TABLE t (id INT, y INT, v INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y)"
        " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN MAXVALUE)",
        f"INSERT INTO t VALUES {', '.join(f'({n}, {n % 30}, {n})' for n in range(2000))}",
        "ANALYZE TABLE t",
    )
    result = pair.compare(rows=300)
    assert (result.differences, result.rows) == ((), 2000)
    pair.corrupt("UPDATE t SET v = 0 WHERE id = 1234")
    assert [difference.key for difference in pair.compare(rows=300).differences] == ["id=1234, y=4"]


def test_only_so_many_rows_are_named_and_none_is_kept_silent(pair: Twins) -> None:
    pair.empty()
    pair.both(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        f"INSERT INTO t VALUES {', '.join(f'({n}, 0)' for n in range(5000))}",
        "ANALYZE TABLE t",
    )
    pair.corrupt("UPDATE t SET v = 1 WHERE id < 4000")
    differences = pair.compare(rows=500, named=5, threads=1).differences
    assert [difference.kind for difference in differences].count("row") == 5
    assert str(differences[-1]).startswith("rows shop.t, beyond those named")


def test_a_large_row_is_not_lost_in_a_null(pair: Twins) -> None:
    """CONCAT beyond max_allowed_packet is NULL, and a NULL would leave no trace."""
    pair.empty()
    pair.both(
        "CREATE TABLE t (id INT PRIMARY KEY, a MEDIUMBLOB, b MEDIUMBLOB)",
        "INSERT INTO t VALUES (1, REPEAT('a', 3000000), REPEAT('b', 3000000))",
    )
    assert pair.found() == []
    pair.corrupt("UPDATE t SET b = CONCAT(REPEAT('b', 2999999), 'c')")
    assert [difference.key for difference in pair.compare().differences] == ["id=1"]


def test_sessions_of_another_time_zone_see_the_same(pair: Twins) -> None:
    pair.empty()
    pair.both(
        "CREATE TABLE t (id INT PRIMARY KEY, s TIMESTAMP)", "INSERT INTO t VALUES (1, '2020-06-01 12:00:00')"
    )
    pair.corrupt(
        "SET time_zone = '+02:00'", "UPDATE t SET s = '2020-06-01 12:00:00'", "SET time_zone = '+00:00'"
    )
    assert [difference.key for difference in pair.compare().differences] == ["id=1"]


def test_counts_and_samples(pair: Twins) -> None:
    pair.empty()
    pair.both(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        f"INSERT INTO t VALUES {', '.join(f'({n}, 0)' for n in range(5000))}",
        "ANALYZE TABLE t",
    )
    sample = pair.compare(level="sample", sample=0.3, rows=100)
    assert sample.differences == ()
    assert 500 < sample.rows < 3500
    pair.corrupt("UPDATE t SET v = 1 WHERE id = 77")
    assert pair.found(level="counts") == []
    pair.corrupt("DELETE FROM t WHERE id = 77")
    assert pair.found(level="counts") == [
        "rows shop.t: 5000 rows on the source's side, 4999 rows on the copy"
    ]


def test_it_goes_on_where_it_stopped(pair: Twins, tmp_path: Path) -> None:
    pair.empty()
    pair.both(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
        f"INSERT INTO t VALUES {', '.join(f'({n}, 0)' for n in range(20_000))}",
        "ANALYZE TABLE t",
    )
    file = tmp_path / "done.jsonl"
    first = pair.comparison(Checkpoint.open(file, "it", "b.000001:4"), rows=50)
    # So short that no machine does all 400 parts in it; a stalled one may do none.
    while first.result.rows == 0:
        assert not first.advance(deadline=0.02)
    done = first.result
    second = pair.comparison(Checkpoint.open(file, "it", "b.000001:4"), rows=50)
    assert second.advance()

    assert second.result.resumed == done.chunks
    assert 0 < done.rows < second.result.rows == 20_000
    # At other coordinates, or as another comparison, nothing is remembered.
    assert Checkpoint.open(file, "it", "b.000001:5").parts == []
    assert Checkpoint.open(file, "other", "b.000001:5").parts == []
    # In one process it simply goes on.
    third = pair.comparison(rows=1000)
    while not third.advance(deadline=0.02):
        pass
    assert (third.result.rows, third.result.differences) == (20_000, ())
