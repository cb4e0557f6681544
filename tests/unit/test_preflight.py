"""Preflight: each check looks at one thing, and says in one sentence what stands in the way."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.surroundings import Surroundings
from foundation.errors import Refused
from migration import journal, preflight
from migration.cutover import fence
from migration.names import Names
from migration.preflight import Plan
from migration.survey import Survey
from tests.unit.fakes import FakeAws, instance

NAMES = Names("orders")
SWAPPED = {journal.SWAPPED: "now"}
DONE = {journal.SWAPPED: "now", journal.OPENED: "now"}


def plan(
    phase: str = "replicate", mode: str = "replicate", source: Any = None, encrypted: Any = None
) -> Plan:
    return Plan(phase, mode, Survey(NAMES, source if source is not None else instance(), encrypted))


def said(check: preflight.Check, what: Plan, *instances: Any) -> str:
    found = check(Surroundings(FakeAws(*instances)), what)
    assert isinstance(found, Refused)
    return str(found)


@pytest.mark.parametrize(
    ("phase", "mode", "tags", "sentence"),
    [
        ("replicate", "replicate", DONE, "phase `replicate` is over"),
        ("cutover", "replicate", None, "phase `cutover` needs an encrypted instance"),
        ("cleanup", "replicate", None, "phase `cleanup` needs the cut-over to be complete"),
        ("cleanup", "replicate", {}, "phase `cleanup` needs the cut-over to be complete"),
        ("cleanup", "replicate", SWAPPED, "phase `cleanup` needs the cut-over to be complete"),
        ("cleanup", "snapshot", None, "phase `cleanup` needs the cut-over to be complete"),
        ("rollback", "replicate", None, "there is no cut-over to roll back"),
        ("rollback", "replicate", {}, "there is no cut-over to roll back"),
    ],
)
def test_a_phase_that_would_skip_another_is_refused(
    phase: str, mode: str, tags: dict[str, str] | None, sentence: str
) -> None:
    encrypted = None if tags is None else instance("orders-encrypted", tags=tags)
    assert sentence in said(preflight.phase_follows, plan(phase, mode, encrypted=encrypted))


@pytest.mark.parametrize(
    ("phase", "mode", "tags"),
    [
        ("replicate", "replicate", None),
        ("replicate", "replicate", {}),
        ("replicate", "replicate", {journal.ROLLED_BACK: "now"}),
        ("cutover", "replicate", {}),
        ("cutover", "replicate", SWAPPED),
        ("cutover", "snapshot", None),
        ("cleanup", "replicate", DONE),
        ("rollback", "replicate", {journal.ROLLED_BACK: "now"}),
    ],
)
def test_a_phase_in_its_turn_passes(phase: str, mode: str, tags: dict[str, str] | None) -> None:
    encrypted = None if tags is None else instance("orders", tags=tags)
    assert preflight.phase_follows(Surroundings(FakeAws()), plan(phase, mode, encrypted=encrypted)) is None


@pytest.mark.parametrize(
    ("engine", "version"),
    [("postgres", "16.3"), ("mariadb", "10.11.8"), ("mysql", "5.6.51"), ("mysql", "9.1.0")],
)
def test_an_engine_that_we_do_not_do_is_refused(engine: str, version: str) -> None:
    sentence = said(preflight.engine_supported, plan(source=instance(Engine=engine, EngineVersion=version)))
    assert sentence.startswith(f"orders: its engine is {engine} {version}. Only MySQL 5.7, 8.0, 8.4")


@pytest.mark.parametrize("version", ["5.7.44", "5.7.44-rds.20240808", "8.0.31", "8.4.3"])
def test_the_engines_that_we_do_pass(version: str) -> None:
    assert (
        preflight.engine_supported(Surroundings(FakeAws()), plan(source=instance(EngineVersion=version)))
        is None
    )


@pytest.mark.parametrize(
    ("class_", "refused"),
    [
        ("db.m1.small", True),
        ("db.m2.xlarge", True),
        ("db.t2.micro", True),
        ("db.t2.small", False),
        ("db.t3.micro", False),
        ("db.m6g.large", False),
    ],
)
def test_classes_that_cannot_encrypt_are_refused(class_: str, *, refused: bool) -> None:
    found = preflight.class_encrypts(Surroundings(FakeAws()), plan(source=instance(DBInstanceClass=class_)))
    assert (found is not None) is refused


def test_no_backups_are_refused() -> None:
    sentence = said(preflight.backups_on, plan(source=instance(BackupRetentionPeriod=0)))
    assert "its backup retention period is 0" in sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ReadReplicaSourceDBInstanceIdentifier": "main"}, "it is itself a replica of main"),
        ({"DBClusterIdentifier": "three"}, "it belongs to cluster three"),
        ({"MasterUserSecret": {"SecretArn": "arn"}}, "RDS manages its master password"),
    ],
)
def test_a_source_that_does_not_stand_alone_is_refused(change: dict[str, Any], sentence: str) -> None:
    assert sentence in said(preflight.stands_alone, plan(source=instance(**change)))


@pytest.mark.parametrize(
    ("group", "users", "reason"),
    [
        ("orders-mysql80", ("db-ORDERS",), None),
        ("orders-mysql80", ("db-ORDERS", "db-REPLICA"), None),
        ("orders-mysql80", (), None),
        ("default.mysql8.0", ("db-ORDERS",), "is AWS's default, which cannot be changed"),
        ("orders-mysql80", ("db-ORDERS", "db-OTHER"), "is shared with db-OTHER"),
    ],
)
def test_a_group_carries_the_fence_if_it_is_the_sources_own(
    group: str, users: tuple[str, ...], reason: str | None
) -> None:
    found = fence.why_not(group, users, {"db-ORDERS", "db-REPLICA"})
    assert found is None if reason is None else reason in (found or "")


def test_every_read_only_value_that_is_noted_can_be_put_back() -> None:
    for value, word in fence._WORDS.items():
        assert fence._VALUES[word] == ("0" if value == "OFF" else value)
    # Tag values allow letters, digits, blanks and _.:/=+-@ only.
    assert all(word.replace("-", "").isalpha() for word in fence._WORDS.values())


GONE = "orders-old was deleted"


@pytest.mark.parametrize(
    ("source", "tags", "reason"),
    [
        (instance("orders-old"), {**DONE, journal.ROLLBACK_LOST: "binlogs are purged"}, "binlogs are purged"),
        (instance("orders-old", DBInstanceStatus="deleting"), DONE, GONE),
    ],
)
def test_a_rollback_that_is_lost_is_refused_with_the_reason_and_what_works(
    source: Any, tags: dict[str, str], reason: str
) -> None:
    sentence = said(
        preflight.phase_follows, plan("rollback", source=source, encrypted=instance("orders", tags=tags))
    )
    assert f"there is no rollback any more, since {reason}. Set `phase` to `cleanup`, which works" in sentence
    cleanup = plan("cleanup", source=source, encrypted=instance("orders", tags=tags))
    for check in (preflight.no_swap_under_way, preflight.phase_follows):
        assert check(Surroundings(FakeAws()), cleanup) is None


def test_with_the_source_gone_in_mid_cutover_cleanup_completes_it() -> None:
    survey = Survey(
        NAMES, None, instance("orders-encrypted", tags={**SWAPPED, journal.MIGRATION: "db-ORDERS"})
    )
    around = Surroundings(FakeAws())
    for check in (preflight.no_swap_under_way, preflight.phase_follows):
        assert check(around, Plan("cleanup", "replicate", survey)) is None
    for phase in ("replicate", "rollback", "cutover"):
        refused = preflight.no_swap_under_way(around, Plan(phase, "replicate", survey))
        assert refused is not None
        assert "Set `phase` to `cleanup`" in str(refused)
