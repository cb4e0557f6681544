"""Verification without servers: how rows and ranges are written, what is remembered, when one is due, and what the check says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from providers.arguments import StepArgs, as_inputs
from providers.step import Outputs, StepContext
from providers.verification import VerificationArgs, VerificationProvider
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover.checks_of_candidate import verification_fresh
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.direction import cutover_direction, rollback_direction
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.names import Names
from rds_encrypt.settings import VerifySettings
from rds_encrypt.verification.checkpoint import Checkpoint, Part
from rds_encrypt.verification.columns import Column, row_text
from rds_encrypt.verification.differences import Difference, sentences
from rds_encrypt.verification.plan import chosen, rows_of_a_part
from rds_encrypt.verification.progress import ComparisonProgress
from rds_encrypt.verification.ranges import Range, condition, named, ranges
from rds_encrypt.verification.tables import Table
from rds_encrypt.verified import Verified, verified
from tests.unit.fakes import ACCESS, FakeSession, instance, replica_row

NOW = datetime.now(UTC).replace(microsecond=0)
ID = Column("id", "int", 0, "", nullable=False)
NAME = Column("na`me", "varchar", 200, "utf8mb4", nullable=True)
TEXT = Column("t", "longtext", 4294967295, "utf8mb4", nullable=True)


def table(*key: Column, rows: int = 1000) -> Table:
    return Table("shop", "orders", rows, 0, 100, (ID, NAME, TEXT), "PRIMARY" if key else "", key)


NULL = "_binary X'FE' COLLATE `binary`"
END = "_binary X'FF' COLLATE `binary`"


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (ID, f"`id`, {END}"),
        (Column("a", "bigint", 0, "", nullable=True), f"IFNULL(`a`, {NULL}), {END}"),
        (NAME, f"IFNULL(`na``me`, {NULL}), {END}"),
        (Column("l", "varchar", 9, "latin1", nullable=False), f"LENGTH(`l`), {END}, `l`"),
        (
            Column("b", "varbinary", 9, "", nullable=True),
            f"IFNULL(LENGTH(`b`), {NULL}), {END}, IFNULL(`b`, '')",
        ),
        (Column("f", "float", 0, "", nullable=False), f"`f` * 1e0, {END}"),
        (Column("e", "enum", 0, "utf8mb4", nullable=False), f"CAST(`e` AS UNSIGNED), {END}"),
        (Column("d", "datetime", 0, "", nullable=True), f"IFNULL(`d`, {NULL})"),
        (Column("t", "time", 0, "", nullable=False), f"`t`, {END}"),
        (TEXT, f"IFNULL(MD5(`t`), {NULL})"),
        (Column("j", "json", 0, "", nullable=False), "MD5(`j`)"),
        (Column("x", "a type of tomorrow", 0, "", nullable=False), "MD5(`x`)"),
    ],
)
def test_how_a_column_is_written(column: Column, text: str) -> None:
    assert row_text([column], 1000, "MD5({})") == f"CONCAT({text})"


def test_one_mark_is_enough_to_make_all_of_it_binary() -> None:
    assert row_text([ID, ID, ID], 1000, "MD5({})") == f"CONCAT(`id`, {END}, `id`, X'FF', `id`, X'FF')"


def test_strings_beyond_the_budget_are_hashed_by_themselves() -> None:
    assert row_text([NAME, NAME], 399, "MD5({})").count("MD5") == 1
    assert row_text([NAME, NAME], 400, "MD5({})").count("MD5") == 0


def test_ranges_of_one_and_of_two_columns() -> None:
    assert condition(table(ID), Range()) == "TRUE"
    assert condition(table(ID), Range(("1",), ("9",))) == "`id` BETWEEN 2 AND 9"
    assert condition(table(ID), Range(("-3",), None)) == "`id` > -3"
    assert condition(table(ID, NAME), Range(("1", "X'61'"), None)) == (
        "`id` >= 1 AND ((`id` > 1) OR (`id` = 1 AND `na``me` > X'61'))"
    )
    assert condition(table(ID, NAME), Range(None, ("9", "X'62'"))) == (
        "`id` <= 9 AND ((`id` < 9) OR (`id` = 9 AND `na``me` <= X'62'))"
    )


@pytest.mark.parametrize(
    ("low", "high", "rows"), [(1, 1000, 1000), (-5, 993, 999), (7, 7, 1), (1, 3000, 1000)]
)
def test_a_dense_key_is_cut_evenly_and_wholly(low: int, high: int, rows: int) -> None:
    parts = list(ranges(FakeSession({"SELECT MIN": [{"low": low, "high": high}]}), table(ID, rows=rows), 2))
    assert (parts[0].low, parts[-1].high) == (None, None)
    assert [part.high for part in parts[:-1]] == [part.low for part in parts[1:]]
    ends = [int(part.high[0]) for part in parts if part.high is not None]
    assert ends == sorted(set(ends))
    assert len(parts) <= rows


def test_a_key_is_called_what_a_person_would_call_it() -> None:
    assert named(table(ID, NAME), ("7", "_utf8mb4 X'f09f9880'")) == "id=7, na`me='😀'"
    raw = Column("raw", "binary", 4, "", nullable=False)
    assert named(table(raw), ("X'00ff'",)) == "raw=0x00ff"


def test_a_sample_has_both_ends_and_is_the_same_again() -> None:
    settings = VerifySettings(level="sample", sample=0.2)
    parts = [Range(None if n == 0 else (str(n),), None if n == 999 else (str(n + 1),)) for n in range(1000)]
    first = [part for part in parts if chosen(settings, table(ID), part)]
    assert first == [part for part in parts if chosen(settings, table(ID), part)]
    assert parts[0] in first
    assert parts[-1] in first
    assert 120 < len(first) < 280
    assert rows_of_a_part(table(ID)) == 100_000


def test_what_was_done_is_remembered_for_the_same_coordinates_only(tmp_path: Path) -> None:
    file = tmp_path / "build" / "orders.progress"
    checkpoint = Checkpoint.open(file, "full", "b.000001:4")
    checkpoint.add(Part("t", Range(None, ("5",)), 5))
    checkpoint.add(Part("t", Range(("9",), ("12",)), 3))
    checkpoint.add(Part("u", Range(None, None), 3))
    checkpoint.add(Part("v", Range(None, None), 3), lasting=False)
    with file.open("a", encoding="utf-8") as stream:
        stream.write('{"table": "t", "lo')  # killed while it wrote

    again = Checkpoint.open(file, "full", "b.000001:4")
    assert again.reached("t") == (("5",), False)
    assert again.reached("u") == (None, True)
    assert again.reached("v") == (None, False)
    assert again.recalled == 3

    again.stand_at("b.000001:900")
    assert Checkpoint.open(file, "full", "b.000001:900").recalled == 3
    assert Checkpoint.open(file, "full", "b.000001:4").recalled == 0
    assert not Checkpoint.open(file, "sample", "b.000001:4").parts


def test_progress_tells_how_far_how_fast_and_how_long() -> None:
    messages: list[str] = []
    progress = ComparisonProgress(1000, messages.append)
    progress.skip(500)
    progress.add(250)
    assert messages[0].startswith("verifying 75 %, ")
    progress.add(900)  # the estimate was wrong
    assert messages[1].startswith("verifying 99 %, ")
    assert messages[1].endswith(" 1 s left")


def test_only_the_first_differences_are_told() -> None:
    differences = tuple(Difference("row", "shop.t", f"id={n}", "missing", "present") for n in range(5))
    assert sentences(differences, limit=2) == [
        "row shop.t, id=0: missing on the source's side, present on the copy",
        "row shop.t, id=1: missing on the source's side, present on the copy",
        "and 3 more",
    ]
    assert sentences(differences[:1]) == [str(differences[0])]


# When a verification counts.


def tags(hours: float, mode: str = "full") -> dict[str, str]:
    return {Tag.VERIFIED: str(Verified(NOW - timedelta(hours=hours), mode, "db-ENCRYPTED"))}


def test_the_tag_is_read_as_it_was_written() -> None:
    assert verified(tags(0), "db-ENCRYPTED") == Verified(NOW, "full", "db-ENCRYPTED")
    assert verified(tags(0), "db-OTHER") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday full",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00 full",
        "2026-01-01T00:00:00+00:00 well",
    ],
)
def test_a_tag_that_nobody_can_read_counts_as_none(text: str) -> None:
    assert verified({Tag.VERIFIED: text}, "") is None


@pytest.mark.parametrize(
    ("was", "hours", "required", "serves"),
    [
        ("full", 1, "full", True),
        ("full", 25, "full", False),
        ("counts", 1, "sample", False),
        ("full", 1, "counts", True),
    ],
)
def test_it_serves_if_it_is_young_and_strict_enough(
    was: str, hours: float, required: str, *, serves: bool
) -> None:
    verification = verified(tags(hours, was), "db-ENCRYPTED")
    assert verification is not None
    assert verification.serves(required, 24) is serves


FULL = VerifySettings(max_age=24)


class FakeContext:
    """What the check asks of a context."""

    def __init__(
        self, primary_tags: dict[str, str], verify: VerifySettings = FULL, *, back: bool = False
    ) -> None:
        direction = rollback_direction if back else cutover_direction
        self.direction = direction(Names("orders"), "db-SOURCE", "db-ENCRYPTED")
        self.verify = verify
        self.snapshot_coordinates: Coordinates | None = None
        self._tags = primary_tags

    def primary(self) -> Any:
        return instance("orders", self._tags)

    def candidate(self) -> Any:
        return instance("orders-encrypted")


@pytest.mark.parametrize(
    ("context", "passed", "saw"),
    [
        (
            lambda: FakeContext(tags(1)),
            True,
            r"verified 6\d min ago at level full \(wanted: full, at most 24 h old\)",
        ),
        (lambda: FakeContext(tags(25)), False, r"verified 25 h ago"),
        (lambda: FakeContext(tags(1, "counts")), False, "at level counts"),
        (lambda: FakeContext({}), False, "orders-encrypted has not been verified, or not found equal"),
        (lambda: FakeContext({}, VerifySettings(level="off")), True, "verification is off"),
        (lambda: FakeContext({}, back=True), True, "not asked of a rollback"),
    ],
)
def test_the_check_of_a_verification_s_age_and_level(
    context: Callable[[], FakeContext], saw: str, *, passed: bool
) -> None:
    session = FakeSession({})
    # Minutes may have passed since the tests were collected.
    reading = verification_fresh(cast(CutoverContext, context()), session, session)
    assert reading.passed is passed
    assert re.search(saw, reading.what)


def test_the_check_is_not_asked_in_method_offline() -> None:
    context = FakeContext({})
    context.snapshot_coordinates = Coordinates("b.000001", 4)
    session = FakeSession({})
    assert verification_fresh(cast(CutoverContext, context), session, session).passed


# The step is done again when it is due, and only then.


class Example(VerificationProvider):
    """A verification that counts how often it is performed."""

    performed = 0

    def context(self, args: StepArgs) -> StepContext:
        return StepContext(cast(Any, None), cast(Any, None), silent)

    def perform(self, world: StepContext, args: VerificationArgs) -> Outputs:
        self.performed += 1
        return {"verified_at": "later", "counted": "later full"}


COUNTS = as_inputs(VerifySettings(level="counts"))
STATE = {
    "encrypted_id": "db-2",
    "source_id": "db-1",
    "replica_id": "db-3",
    "identifier": "orders",
    "hours": 1,
    "verify": as_inputs(VerifySettings()),
    "access": as_inputs(ACCESS),
    "wanted": "due",
    "counted": "now full",
    "verified_at": "now",
}


@pytest.mark.parametrize(
    ("news", "changes", "performed", "counted"),
    [
        ({"wanted": "now full"}, False, 0, "now full"),
        ({"wanted": None}, False, 0, "now full"),
        ({"wanted": None, "verify": COUNTS}, True, 0, "now full"),
        ({"wanted": "now full", "verify": COUNTS}, True, 0, "now full"),
        ({}, False, 0, "now full"),
        ({"wanted": "due again"}, True, 1, "later full"),
        ({"wanted": "off"}, True, 1, "later full"),
    ],
)
def test_it_is_done_again_when_it_is_due(
    news: dict[str, Any], performed: int, counted: str, *, changes: bool
) -> None:
    step = Example()
    inputs = {key: value for key, value in STATE.items() if key != "verified_at"} | news
    assert step.diff("id", STATE, inputs).changes is changes
    assert not step.diff("id", STATE, inputs).replaces
    state = step.update("id", STATE, inputs).outs or {}
    assert step.performed == performed
    assert state["counted"] == counted
    assert state["verify"] == inputs["verify"]


def test_status_tells_an_applier_that_will_stop() -> None:
    row = replica_row(Until_Condition="Master")
    status = channel.status(FakeSession({"SHOW REPLICA STATUS": [row]}))
    assert status is not None
    assert status.until
