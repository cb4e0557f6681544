"""The fence of method `offline`: lifted even if RDS is busy with the source, and never closed around a copy that has become old."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from providers import write_fence
from providers.write_fence import WriteFenceArgs, WriteFenceProvider
from rds_encrypt.aws import snapshots
from rds_encrypt.aws.snapshots import Snapshot
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.cutover import fences, protocol, snapshot_age
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.mysql.coordinates import Coordinates
from tests.unit.fakes import ACCESS, FakeAws, FakeSession, cutover_context, instance
from tests.unit.test_temporary_resources import Place

ARGS = WriteFenceArgs(source_id="db-ORDERS", group="orders-mysql80", seconds=30.0, access=ACCESS)
OURS = tags_for(Role.ENCRYPTED, "db-ORDERS")


class Fence:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def put_back(self) -> bool:
        self.asked.append("put back")
        return True

    def reopen(self, _session: Any) -> None:
        self.asked.append("reopen")

    def apply(self, _session: Any, *, deadline: float) -> None:
        raise AssertionError("it was closed")


@pytest.fixture
def fence(monkeypatch: pytest.MonkeyPatch) -> Fence:
    fence = Fence()
    monkeypatch.setattr(write_fence, "_fence", lambda *_: fence)
    monkeypatch.setattr(fences, "fence_around", lambda *_: fence)
    monkeypatch.setattr(snapshots, "existing", lambda _aws, _names: {})
    return fence


@pytest.mark.parametrize("status", ["available", "backing-up", "storage-optimization"])
def test_it_is_lifted_while_rds_takes_a_snapshot(fence: Fence, status: str) -> None:
    source = instance(tags={Tag.FENCE_BEFORE: "default"}, DBInstanceStatus=status)
    WriteFenceProvider().undo(Place(source).world, ARGS)
    assert fence.asked == ["put back", "reopen"]


def test_a_stopped_source_accepts_writes_once_it_is_started(fence: Fence) -> None:
    place = Place(instance(tags={Tag.FENCE_BEFORE: "none"}, DBInstanceStatus="stopped"))
    WriteFenceProvider().undo(place.world, ARGS)
    assert fence.asked == ["put back"]
    assert Tag.FENCE_BEFORE not in place.tags("db-ORDERS")


@pytest.mark.parametrize("noted", [{}, {Tag.FENCE_BEFORE: "default"}])
def test_one_that_cannot_be_completed_gives_the_source_back(fence: Fence, noted: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="it was closed"):
        WriteFenceProvider().perform(Place(instance(tags=noted)).world, ARGS)
    assert fence.asked == (["put back", "reopen"] if noted else [])


def test_one_that_a_copy_depends_on_stays_closed(fence: Fence, monkeypatch: pytest.MonkeyPatch) -> None:
    existing = {"orders-encrypted": Snapshot("available", {**OURS, Tag.COORDINATES: "b.000003:4"})}
    monkeypatch.setattr(snapshots, "existing", lambda _aws, _names: existing)
    monkeypatch.setattr(snapshot_age, "wrote_since", wrote("b.000002:4"))
    with pytest.raises(AssertionError, match="it was closed"):
        WriteFenceProvider().perform(Place(instance(tags={Tag.FENCE_BEFORE: "default"})).world, ARGS)
    assert fence.asked == []


def test_it_is_not_closed_in_a_group_that_the_source_no_longer_uses(fence: Fence) -> None:
    elsewhere = instance(
        DBParameterGroups=[{"DBParameterGroupName": "orders-new", "ParameterApplyStatus": "in-sync"}]
    )
    with pytest.raises(
        ActionRequired, match="noted parameter group orders-mysql80, and it uses orders-new now"
    ):
        WriteFenceProvider().perform(Place(elsewhere).world, ARGS)
    assert fence.asked == []


def test_once_the_name_has_moved_nothing_is_closed(fence: Fence, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = {**OURS, Tag.CUTOVER_BEGAN: "1", Tag.OPENED: "2"}
    old = instance("orders-old", tags={Tag.PARTNER: "db-ORDERS-ENCRYPTED"}, DbiResourceId="db-ORDERS")
    place = Place(old, instance("orders-encrypted", tags=complete))
    existing = {"orders-not-encrypted": Snapshot("available", {Tag.COORDINATES: "b.000003:4"})}
    monkeypatch.setattr(snapshots, "existing", lambda _aws, _names: existing)
    outputs = WriteFenceProvider().perform(place.world, ARGS)
    assert (outputs["file"], outputs["position"]) == ("b.000003", 4)
    assert WriteFenceProvider().seen(place.world, ARGS) == {}
    assert fence.asked == []


def wrote(since: str) -> Any:
    """Applications have written since those coordinates, and not since any later ones."""
    return lambda _session, asked: asked <= Coordinates.parse(since)


OLD = {**OURS, Tag.COORDINATES: "b.000001:400"}


@pytest.mark.parametrize(
    "left", ["snapshot orders-encrypted", "snapshot orders-not-encrypted", "orders-encrypted"]
)
def test_what_a_killed_run_left_before_the_last_write_is_refused_and_the_fence_stays_open(
    fence: Fence, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    kind, _, name = left.rpartition(" ")
    existing = {name: Snapshot("available", OLD)} if kind else {}
    monkeypatch.setattr(snapshots, "existing", lambda _aws, _names: existing)
    monkeypatch.setattr(snapshot_age, "wrote_since", wrote("b.000002:4"))
    place = Place(instance(), *([] if kind else [instance(name, tags=OLD)]))
    with pytest.raises(ActionRequired, match=rf"^{left}: .* at b\.000001:400, and applications have written"):
        WriteFenceProvider().perform(place.world, ARGS)


@pytest.mark.parametrize(
    "tags", [{**OURS, Tag.COORDINATES: "b.000003:4"}, {**OLD, Tag.MIGRATION: "db-OTHER"}, OURS]
)
def test_what_is_new_enough_or_not_ours_does_not_keep_the_fence_open(
    fence: Fence, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str]
) -> None:
    existing = {"orders-encrypted": Snapshot("available", tags)}
    monkeypatch.setattr(snapshots, "existing", lambda _aws, _names: existing)
    monkeypatch.setattr(snapshot_age, "wrote_since", wrote("b.000002:4"))
    with pytest.raises(AssertionError, match="it was closed"):
        WriteFenceProvider().perform(Place(instance()).world, ARGS)


@pytest.mark.parametrize(
    ("tags", "refusal"),
    [
        ({Tag.COORDINATES: "b.000003:400"}, None),
        (
            {Tag.COORDINATES: "b.000001:400"},
            "applications wrote to orders after its snapshot was taken at b.000001:400",
        ),
        ({}, "its tag rds-encrypt:coordinates is missing"),
        ({Tag.COORDINATES: ""}, "its tag rds-encrypt:coordinates is missing"),
    ],
)
def test_the_candidate_s_own_coordinates_decide_not_those_of_the_fence(
    monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], refusal: str | None
) -> None:
    aws = FakeAws(instance(), instance("orders-encrypted", tags=tags))
    context = replace(
        cutover_context(aws, "db-ORDERS-ENCRYPTED"), snapshot_coordinates=Coordinates("b.000003", 400)
    )
    monkeypatch.setattr(snapshot_age, "wrote_since", wrote("b.000002:4"))
    primary = cast(Any, FakeSession({}))

    def drain() -> None:
        protocol._drain(context, primary, primary, Coordinates("b.000003", 400))

    if refusal is None:
        drain()
    else:
        with pytest.raises(ActionRequired, match=refusal):
            drain()
