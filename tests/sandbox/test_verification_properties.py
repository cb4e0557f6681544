"""Generated schemas and data: a clean copy never differs, and one random change is always found, in the row where it was made.

CASES=… sets how many schemas are tried on each version; the default is what fits into the gate.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rds_encrypt.verification.checksum import Pair, differing_rows, text_budget
from rds_encrypt.verification.differences import Difference
from rds_encrypt.verification.ranges import ranges
from rds_encrypt.verification.sessions import prepare
from rds_encrypt.verification.tables import inventory
from tests.sandbox.mysql_support import VERSIONS
from tests.sandbox.verification_support import Twins, twins

CASES = int(os.environ.get("CASES", "60"))

Value = tuple[Any, str]
"""What a value is, so that two can be told apart, and how it is written in SQL."""


@dataclass(frozen=True)
class Kind:
    """A column's type, and the values that it can hold exactly."""

    sql: str
    values: st.SearchStrategy[Value]


def _text(
    alphabet: st.SearchStrategy[str] | None, size: int, canonical: Callable[[str], str] = str
) -> st.SearchStrategy[Value]:
    characters = alphabet if alphabet is not None else st.characters(exclude_categories=["Cs"])
    return st.text(characters, max_size=size).map(
        lambda text: (canonical(text), f"_utf8mb4 X'{text.encode().hex()}'")
    )


def _octets(size: int, canonical: Callable[[bytes], bytes] = bytes) -> st.SearchStrategy[Value]:
    return st.binary(max_size=size).map(lambda octets: (canonical(octets), f"X'{octets.hex()}'"))


def _float(width: Literal[32, 64]) -> st.SearchStrategy[Value]:
    floats = st.floats(width=width, allow_nan=False, allow_infinity=False, allow_subnormal=width == 64)
    return floats.map(
        lambda number: (struct.pack("d", number), f"{number!r}" if "e" in repr(number) else f"{number!r}e0")
    )


def _plain(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Value]:
    return strategy.map(lambda value: (str(value), f"'{value}'"))


def _json() -> st.SearchStrategy[Value]:
    # 5.7 prints 1.0 and 1 the same way, in JSON; they are left out. So are numbers beyond 64 bits, which become floats.
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.sampled_from([0.5, -1.25, 1e-7, 0.1, 0.30000000000000004])
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    )
    documents = st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    )
    return documents.map(
        lambda document: (
            json.dumps(document, sort_keys=True),
            f"CAST(CONVERT(X'{json.dumps(document).encode().hex()}' USING utf8mb4) AS JSON)",
        )
    )


def _at(microseconds: int) -> str:
    sign, rest = ("-" if microseconds < 0 else ""), timedelta(microseconds=abs(microseconds))
    hours, remainder = divmod(rest, timedelta(hours=1))
    return f"{sign}{hours:02d}:{(datetime.min + remainder).time().strftime('%M:%S.%f')}"


KINDS = [
    Kind("INT", _plain(st.integers(-(2**31), 2**31 - 1))),
    Kind("BIGINT UNSIGNED", _plain(st.integers(0, 2**64 - 1))),
    Kind("TINYINT(1)", _plain(st.integers(-128, 127))),
    Kind(
        "DECIMAL(38,10)", _plain(st.decimals(-(10**27), 10**27, places=10).map(lambda number: f"{number:f}"))
    ),
    Kind("FLOAT", _float(32)),
    Kind("DOUBLE", _float(64)),
    Kind("BIT(64)", st.integers(0, 2**64 - 1).map(lambda number: (number, str(number)))),
    Kind("YEAR", _plain(st.integers(1901, 2155))),
    Kind("DATE", _plain(st.dates())),
    Kind("TIME(6)", _plain(st.integers(-(838 * 3600 * 10**6), 838 * 3600 * 10**6).map(_at))),
    Kind("DATETIME(6)", _plain(st.datetimes(min_value=datetime(1000, 1, 1)))),
    Kind(
        "TIMESTAMP(3) NULL",
        _plain(
            st.integers(10**6, 2 * 10**12).map(lambda ms: datetime(1970, 1, 1) + timedelta(milliseconds=ms))
        ),
    ),
    Kind("ENUM('', 'a', 'b', 'A ', '☃')", st.integers(1, 5).map(lambda number: (number, str(number)))),
    Kind(
        f"SET({', '.join(f'''{chr(39)}s{n}{chr(39)}''' for n in range(64))})",
        st.integers(0, 2**64 - 1).map(lambda number: (number, str(number))),
    ),
    Kind("CHAR(20) CHARACTER SET utf8mb4", _text(None, 20, lambda text: text.rstrip(" "))),
    Kind("VARCHAR(20) CHARACTER SET utf8mb4", _text(None, 20)),
    Kind("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", _text(None, 20)),
    Kind("VARCHAR(20) CHARACTER SET latin1", _text(st.characters(codec="ascii"), 20)),
    Kind("VARCHAR(20) CHARACTER SET utf16", _text(None, 20)),
    Kind(
        "VARCHAR(20) CHARACTER SET ucs2",
        _text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), 20),
    ),
    Kind("TINYTEXT CHARACTER SET utf8mb4", _text(None, 20)),
    Kind("LONGTEXT CHARACTER SET utf8mb4", _text(None, 40)),
    Kind("BINARY(8)", _octets(8, lambda octets: octets.ljust(8, b"\0"))),
    Kind("VARBINARY(20)", _octets(20)),
    Kind("BLOB", _octets(40)),
    Kind("LONGBLOB", _octets(40)),
    Kind("JSON", _json()),
    Kind("POINT", st.tuples(st.integers(-9, 9), st.integers(-9, 9)).map(lambda xy: (xy, f"POINT{xy}"))),
]
NULL: Value = (None, "NULL")
KEYS = [
    "PRIMARY KEY (rid)",
    "PRIMARY KEY (word, rid)",
    "PRIMARY KEY (rid DESC, word)",
    "UNIQUE (word, rid)",
    "KEY (rid)",
    "KEY (word)",
]


@dataclass(frozen=True)
class Case:
    """A table, its rows, and one change to the copy."""

    create: str
    inserts: tuple[str, ...]
    change: str
    row: int
    twice: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    nullable = [draw(st.booleans()) for _ in kinds]
    values = [
        kind.values | st.just(NULL) if may else kind.values for kind, may in zip(kinds, nullable, strict=True)
    ]
    rows = [[draw(value) for value in values] for _ in range(draw(st.integers(1, 12)))]
    key = draw(st.sampled_from(KEYS))
    columns = [
        f"c{n} {kind.sql}{'' if may else ' NOT NULL' if 'NULL' not in kind.sql else ''}"
        for n, (kind, may) in enumerate(zip(kinds, nullable, strict=True))
    ]
    words = st.text("aAäb #☃😀", max_size=3)
    inserts = [
        f"INSERT INTO t (rid, word, {', '.join(f'c{n}' for n in range(len(kinds)))}) VALUES"
        f" ({rid}, _utf8mb4 X'{draw(words).encode().hex()}', {', '.join(literal for _, literal in row)})"
        for rid, row in enumerate(rows)
    ]
    victim = draw(st.integers(0, len(rows) - 1))
    what = draw(st.sampled_from(["update", "update", "update", "delete", "insert"]))
    if what == "insert":
        extra = ", ".join(f"c{n}" for n in range(len(kinds)))
        change = f"INSERT INTO t (rid, word, {extra}) SELECT {len(rows)}, word, {extra} FROM t WHERE rid = {victim} LIMIT 1"
    elif what == "delete":
        change = f"DELETE FROM t WHERE rid = {victim} LIMIT 1"
    else:
        column = draw(st.integers(0, len(kinds) - 1))
        before = rows[victim][column][0]
        after = draw(values[column].filter(lambda value: value[0] != before))
        change = f"UPDATE t SET c{column} = {after[1]} WHERE rid = {victim} LIMIT 1"
    return Case(
        f"CREATE TABLE t (rid INT NOT NULL, word VARCHAR(9) CHARACTER SET utf8mb4 NOT NULL, {', '.join(columns)}, {key})",
        tuple(inserts),
        change,
        len(rows) if what == "insert" else victim,
        twice=key.startswith("KEY") and draw(st.booleans()),
    )


@pytest.fixture(scope="module", params=VERSIONS)
def pair(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Twins, Pair]]:
    with (
        twins(tmp_path_factory.mktemp("twins"), request.param) as pair,
        ThreadPoolExecutor(1) as executor,
    ):
        prepare(pair.ours)
        prepare(pair.theirs)
        yield pair, Pair(pair.ours, pair.theirs, text_budget(pair.ours, pair.theirs), executor)


def differences(pair: Pair, size: int) -> list[Difference]:
    """Compare the one table in ranges of so many rows."""
    ours, theirs = (inventory(session)["shop", "t"] for session in (pair.reference, pair.copy))
    assert (ours.columns, ours.key) == (theirs.columns, theirs.key)
    differing: list[Difference] = []
    for part in ranges(pair.reference, ours, size):
        reference, copy = pair.aggregates(ours, part)
        if reference != copy:
            differing += differing_rows(pair, ours, part, 10)
            assert differing, "checksums differ, and no row does"
    return differing


@settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(case=cases(), size=st.integers(1, 5))
def test_a_clean_copy_is_clean_and_any_change_is_found(
    pair: tuple[Twins, Pair], case: Case, size: int
) -> None:
    servers, sessions = pair
    servers.both("DROP TABLE IF EXISTS t", case.create, *case.inserts)
    if case.twice:
        servers.both("INSERT INTO t SELECT * FROM t")
    servers.both("ANALYZE TABLE t")
    assert differences(sessions, size) == []

    servers.corrupt(case.change)
    differing = differences(sessions, size)

    assert {difference.subject for difference in differing} == {"shop.t"}
    if "the row with digest" in differing[0].key:
        assert len(differing) == (2 if case.change.startswith("UPDATE") else 1)
    else:
        assert len(differing) == 1
        assert f"rid={case.row}" in differing[0].key.split(", ")
