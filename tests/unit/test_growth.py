"""What may change on the primary seconds before the cutover, and what the candidate must have instead."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from components.owner_settings import owner_settings
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.cutover.checks_of_candidate import candidate_binlog_retention
from rds_encrypt.cutover.checks_of_instances import settings_match
from rds_encrypt.cutover.context import Aside, CutoverContext
from rds_encrypt.cutover.direction import Direction, cutover_direction, rollback_direction
from rds_encrypt.cutover.growth import match_owner_changes
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.names import Names
from rds_encrypt.settings_diff import differences
from tests.unit.fakes import FakeSession, instance

NAMES = Names("orders")
THERE = cutover_direction(NAMES, "db-ORDERS", "db-E")
BACK = rollback_direction(NAMES, "db-ORDERS", "db-E")
ANY = cast(Any, None)


def candidate(**changes: Any) -> Instance:
    return instance("orders-encrypted", **{"DbiResourceId": "db-E", "StorageEncrypted": True, **changes})


class Place:
    def __init__(
        self,
        primary: Instance | None,
        candidate: Instance,
        direction: Direction = THERE,
        *,
        offline: bool = False,
    ) -> None:
        self.modified: list[dict[str, Any]] = []
        self.refusal: Exception | None = None
        self.aside = Aside()
        self.context = cast(
            CutoverContext,
            SimpleNamespace(
                aws=None,
                names=NAMES,
                direction=direction,
                instances=self,
                snapshot_coordinates=Coordinates("b.000001", 4) if offline else None,
                primary=lambda: primary,
                find_primary=lambda: primary,
                candidate=lambda: candidate,
                warn=self.aside.warnings.append,
                not_needed=lambda _what: nullcontext(),
            ),
        )

    def modify(self, _id: str, **changes: Any) -> None:
        if self.refusal:
            raise self.refusal
        self.modified.append(changes)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """What CloudWatch says of the free storage, in GiB."""
    free_gib: list[float | None] = [None]
    monkeypatch.setattr(
        "rds_encrypt.cutover.growth.metrics.free_storage",
        lambda *_: free_gib[0] * 2**30 if free_gib[0] is not None else None,
    )
    return free_gib


@pytest.mark.parametrize(
    ("room", "limit", "passed"),
    [(3.0, None, True), (1.0, None, False), (None, None, False), (None, 100, True)],
)
def test_storage_that_grew_is_harmless_where_there_is_room(
    free: list[float | None], *, room: float | None, limit: int | None, passed: bool
) -> None:
    free[0] = room
    place = Place(
        instance(AllocatedStorage=30, MaxAllocatedStorage=limit), candidate(MaxAllocatedStorage=limit)
    )
    finding = settings_match(place.context, ANY, ANY)
    assert finding.passed is passed
    assert ("gets the primary's storage after the cutover" in finding.what) is passed
    assert ("`pulumi up` in phase `replicate` gives it these settings" in finding.what) is not passed


def test_in_method_offline_phase_replicate_would_delete_the_copy_so_nothing_names_it(
    free: list[float | None],
) -> None:
    place = Place(instance(DBInstanceClass="db.r6g.large"), candidate(), offline=True)
    finding = settings_match(place.context, ANY, ANY)
    assert "run `pulumi up` again, which gives it these settings" in finding.what
    assert "replicate" not in finding.what


def test_deletion_protection_does_not_stop_it_and_anything_else_does(free: list[float | None]) -> None:
    protected = Place(instance(DeletionProtection=True), candidate())
    assert settings_match(protected.context, ANY, ANY).passed
    larger = Place(instance(DeletionProtection=True, DBInstanceClass="db.r6g.large"), candidate())
    finding = settings_match(larger.context, ANY, ANY)
    assert not finding.passed
    assert "DBInstanceClass is 'db.t3.medium' instead of 'db.r6g.large'" in finding.what
    assert "DeletionProtection" not in finding.what


def test_more_storage_than_the_source_has_is_no_difference_and_stays() -> None:
    source, encrypted = instance(AllocatedStorage=20), candidate(AllocatedStorage=30)
    assert differences(source, encrypted) == []
    assert [difference.setting for difference in differences(encrypted, candidate(AllocatedStorage=20))] == [
        "AllocatedStorage"
    ]
    assert owner_settings(source, encrypted)["allocated_storage"] == 30
    assert owner_settings(instance(AllocatedStorage=40), encrypted)["allocated_storage"] == 40
    assert owner_settings(source)["allocated_storage"] == 20


@pytest.mark.parametrize(
    ("primary", "changes"),
    [
        (instance(AllocatedStorage=30), [{"AllocatedStorage": 30}]),
        (
            instance(AllocatedStorage=30, DeletionProtection=True),
            [{"AllocatedStorage": 30, "DeletionProtection": True}],
        ),
        (instance(AllocatedStorage=10), []),
        (instance(), []),
        (None, []),
    ],
)
def test_production_gets_both_once_it_is_complete(
    primary: Instance | None, changes: list[dict[str, Any]]
) -> None:
    place = Place(primary, candidate())
    match_owner_changes(place.context)
    assert place.modified == changes


def test_a_refusal_is_told_with_the_command() -> None:
    place = Place(instance(DeletionProtection=True), candidate())
    place.refusal = ActionRequired("AWS refused")
    match_owner_changes(place.context)
    (warning,) = place.aside.warnings
    assert warning.startswith("orders-encrypted does not have the DeletionProtection of orders (AWS refused)")
    assert "`aws rds modify-db-instance --db-instance-identifier orders-encrypted`" in warning


@pytest.mark.parametrize(
    ("direction", "hours", "passed", "message"),
    [
        (THERE, 72, True, "orders-encrypted keeps its binlogs for 72 h"),
        (THERE, None, False, "`pulumi refresh` and `pulumi up` in phase `replicate` set it"),
        (BACK, 72, True, "keeps its binlogs for 72 h"),
        (BACK, None, False, "CALL mysql.rds_set_configuration('binlog retention hours', 24) there"),
    ],
)
def test_the_instance_that_will_carry_production_must_keep_its_binlogs(
    direction: Direction, hours: int | None, message: str, *, passed: bool
) -> None:
    there = FakeSession({"SELECT value FROM mysql.rds_configuration": [{"value": hours}]})
    finding = candidate_binlog_retention(Place(instance(), candidate(), direction).context, ANY, there)
    assert finding.passed is passed
    assert message in finding.what


def test_without_replication_nobody_needs_them() -> None:
    assert candidate_binlog_retention(
        Place(instance(), candidate(), offline=True).context, ANY, FakeSession({})
    ).passed
