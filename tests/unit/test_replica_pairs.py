"""The owner's replicas and their encrypted counterparts: found under any name, counted, and never renamed twice."""

from __future__ import annotations

from typing import Any, cast

import pytest

from providers import replica_names
from providers.replica_names import ReplicaNamesArgs, ReplicaNamesProvider
from providers.step import StepContext
from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.checks import of_instance
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import silent
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.names import Names
from rds_encrypt.needs import Along, need_of
from rds_encrypt.replica_pairs import ReplicaPair, find_pairs, pair_tags
from tests.unit.fakes import ACCESS, FakeAws, instance

SOURCE_ID = "db-ORDERS"


def source(*replicas: str) -> Instance:
    return instance("orders", ReadReplicaDBInstanceIdentifiers=list(replicas))


def counterpart(name: str, of: Instance) -> Instance:
    pair = ReplicaPair(of.identifier.removesuffix("-old"), of.resource_id, of, None)
    return instance(name, pair_tags(pair, SOURCE_ID), StorageEncrypted=True)


def found(topology: Topology, *there: Instance) -> list[tuple[str, Instance | None, Instance | None]]:
    pairs = find_pairs(Instances(FakeAws(*there)), topology)
    return [(pair.name, pair.original, pair.encrypted) for pair in pairs]


def test_each_replica_of_the_owner_is_to_come_along_but_not_ours_nor_those_of_other_regions() -> None:
    ours = instance("orders-not-encrypted", tags_for(Role.REPLICA, SOURCE_ID))
    reader = instance("reader")
    topology = Topology(
        Names("orders"), source("reader", ours.identifier, "arn:aws:rds:eu-west-1:1:db:far"), None
    )
    assert found(topology, ours, reader) == [("reader", reader, None)]


@pytest.mark.parametrize(
    ("original", "encrypted"), [("reader", "reader-encrypted"), ("reader-old", "reader")]
)
def test_a_pair_is_found_before_and_after_its_names_have_moved(original: str, encrypted: str) -> None:
    reader = instance(original)
    copy = counterpart(encrypted, reader)
    primary = instance(
        "orders-encrypted",
        {**tags_for(Role.ENCRYPTED, SOURCE_ID), Tag.CUTOVER_BEGAN: "now"},
        ReadReplicaDBInstanceIdentifiers=[encrypted],
    )
    topology = Topology(Names("orders"), source(original), primary)
    assert found(topology, reader, copy) == [("reader", reader, copy)]
    gone = Topology(Names("orders"), None, primary)
    assert found(gone, copy)[0][0] == "reader"


def test_a_replica_that_is_made_after_the_cutover_stays() -> None:
    primary = instance("orders", {Tag.CUTOVER_BEGAN: "now"})
    late = instance("late")
    assert found(Topology(Names("orders"), source("late"), primary), late) == []


def test_they_count_against_the_quotas() -> None:
    reader = instance("reader", AllocatedStorage=500)
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    need = need_of(Topology(Names("orders"), source("reader"), None), "replicate", "online", [pair])
    assert need is not None
    assert need.along == (Along("reader-encrypted", 500),)
    assert need.of("DBInstances") == 3
    assert need.of("AllocatedStorage") == 20 + 20 + 500
    assert need.of("AllocatedStorage", ["reader-encrypted"]) == 40


def test_the_preview_names_those_that_come_along_and_those_that_do_not() -> None:
    reader = instance("reader", ReadReplicaDBInstanceIdentifiers=["behind"])
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    topology = Topology(Names("orders"), source("reader", "arn:far"), None)
    context = CheckContext(
        FakeAws(), cast(Any, None), Plan("replicate", "online", topology, replicas=(pair,))
    )
    along, cascaded, staying = of_instance.replicas(context)
    assert along.what == "its replicas come along: reader"
    assert cascaded.what == "its replica reader has replicas of its own: behind"
    assert staying.what == "it has replicas of its own: arn:far"


# The step that moves a name.


class Calls:
    """What was asked of RDS."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, ...]] = []
        self.tagged: list[tuple[str, ...]] = []
        self.untagged: list[str] = []
        for method in ("ask_rename", "await_rename"):
            monkeypatch.setattr(Instances, method, self._renaming(method))
        monkeypatch.setattr(
            Instances, "delete", lambda _self, which, **_rest: self.made.append(("delete", which))
        )
        monkeypatch.setattr(
            Instances,
            "tag",
            lambda _self, which, tags: self.tagged.append((which.identifier, *tags.values())),
        )
        monkeypatch.setattr(
            replica_names,
            "untag_or_warn",
            lambda _instances, which, *_rest, **_more: self.untagged.extend(
                [which.identifier] if which else []
            ),
        )
        monkeypatch.setattr(replica_names, "_require_in_sync", lambda *_args: self.made.append(("in sync",)))
        monkeypatch.setattr(replica_names, "require_unused", lambda *_args: None)

    def _renaming(self, method: str) -> Any:
        return lambda _self, which, name, **_rest: self.made.append((method, which, name))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def step(*there: Instance) -> tuple[ReplicaNamesProvider, StepContext]:
    return ReplicaNamesProvider(), StepContext(FakeAws(*there), cast(Access, None), silent)


def arguments(*, moved: bool, **more: Any) -> ReplicaNamesArgs:
    return ReplicaNamesArgs(
        source_id=SOURCE_ID,
        access=ACCESS,
        identifier="reader",
        original_id=instance("original").resource_id,
        replica_id=instance("copy").resource_id,
        primary_id="db-PRIMARY",
        moved=moved,
        hours=1,
        **more,
    )


def called(identifier: str, **of: str) -> Instance:
    """One of the two, under the name that it has now."""
    return instance(of["of"], DBInstanceIdentifier=identifier)


def test_the_name_moves_once_the_one_that_gets_it_is_in_sync(calls: Calls) -> None:
    original, copy = called("reader", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy)
    assert provider.perform(context, arguments(moved=True)) == {"at_name": copy.resource_id}
    assert calls.made == [
        ("in sync",),
        ("ask_rename", original.resource_id, "reader-old"),
        ("ask_rename", copy.resource_id, "reader"),
        ("await_rename", copy.resource_id, "reader"),
        ("await_rename", original.resource_id, "reader-old"),
    ]
    # IAM lets rds-encrypt rename instances with this tag only.
    assert calls.tagged == [("reader", "original-replica", SOURCE_ID)]


@pytest.mark.parametrize("moved", [True, False])
def test_a_run_that_died_between_the_two_renames_is_completed(calls: Calls, *, moved: bool) -> None:
    original, copy = called("reader-old", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy)
    taker = copy if moved else original
    assert provider.perform(context, arguments(moved=moved)) == {"at_name": taker.resource_id}
    assert [call for call in calls.made if call[0] == "ask_rename"] == [
        ("ask_rename", taker.resource_id, "reader")
    ]


def test_nothing_is_done_twice(calls: Calls) -> None:
    provider, context = step(called("reader-old", of="original"), called("reader", of="copy"))
    provider.perform(context, arguments(moved=True))
    assert calls.made == []


def test_a_deleted_counterpart_is_reported_and_the_name_stays(calls: Calls) -> None:
    provider, context = step(called("reader", of="original"))
    with pytest.raises(ActionRequired, match="was deleted"):
        provider.perform(context, arguments(moved=True))
    assert calls.made == []


def test_cleanup_deletes_the_owners_replica_unless_it_has_replicas(calls: Calls) -> None:
    original = called("reader-old", of="original")
    provider, context = step(original, called("reader", of="copy"))
    provider.perform(context, arguments(moved=True, retired=True))
    assert calls.made == [("delete", original.resource_id)]

    cascade = instance(
        "original", DBInstanceIdentifier="reader-old", ReadReplicaDBInstanceIdentifiers=["behind"]
    )
    provider, context = step(cascade, called("reader", of="copy"))
    with pytest.raises(ActionRequired, match="would become independent instances: behind"):
        provider.perform(context, arguments(moved=True, retired=True))


def test_destroy_deletes_a_counterpart_without_the_name_and_gives_a_parked_name_back(calls: Calls) -> None:
    original, copy = called("reader-old", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy)
    provider.undo(context, arguments(moved=True))
    assert calls.made == [
        ("ask_rename", original.resource_id, "reader"),
        ("await_rename", original.resource_id, "reader"),
        ("delete", copy.resource_id),
    ]


def test_destroy_keeps_one_that_readers_use(calls: Calls) -> None:
    provider, context = step(called("reader-old", of="original"), called("reader", of="copy"))
    provider.undo(context, arguments(moved=True))
    assert calls.made == []
    assert calls.untagged == ["reader-old", "reader"]
