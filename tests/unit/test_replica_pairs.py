"""The owner's replicas and their encrypted counterparts: found under any name, counted, and never renamed twice."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from providers import replica_names, replica_readers
from providers.replica_names import ReplicaNamesArgs, ReplicaNamesProvider
from providers.step import StepContext
from rds_encrypt.access import Access
from rds_encrypt.aws import dns_records
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.check import Severity
from rds_encrypt.checks import of_replicas
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.core.errors import ActionRequired, PreconditionFailed, TimedOut
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover.strategies import strategy_called
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.mysql import channel, lag
from rds_encrypt.names import Names
from rds_encrypt.quota_demand import Counterpart, quota_demand_of
from rds_encrypt.replica_pairs import (
    ReplicaPair,
    delete_counterparts,
    find_pairs,
    pair_tags,
    require_no_replicas,
)
from rds_encrypt.settings import DnsSettings, ReplicaSettings
from tests.unit.fakes import ACCESS, FakeAws, instance

SOURCE_ID = "db-ORDERS"
TAKE = ReplicaSettings()
RECORD = DnsSettings(hosted_zone_id="Z1", record="reads.shop.internal")


def source(*replicas: str) -> Instance:
    return instance("orders", ReadReplicaDBInstanceIdentifiers=list(replicas))


def counterpart(name: str, of: Instance) -> Instance:
    pair = ReplicaPair(of.identifier.removesuffix("-old"), of.resource_id, of, None)
    return instance(name, pair_tags(pair, SOURCE_ID), StorageEncrypted=True)


def listed(
    topology: Topology, *there: Instance, settings: ReplicaSettings = TAKE
) -> list[tuple[str, Instance | None, Instance | None]]:
    pairs = find_pairs(Instances(FakeAws(*there)), topology, "online", settings)
    return [(pair.name, pair.original, pair.encrypted) for pair in pairs]


def test_each_replica_of_the_owner_is_to_come_along_but_not_ours_nor_those_of_other_regions() -> None:
    ours = instance("orders-not-encrypted", tags_for(Role.REPLICA, SOURCE_ID))
    reader = instance("reader")
    topology = Topology(
        Names("orders"), source("reader", ours.identifier, "arn:aws:rds:eu-west-1:1:db:far"), None
    )
    assert listed(topology, ours, reader) == [("reader", reader, None)]


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
    assert listed(topology, reader, copy) == [("reader", reader, copy)]
    gone = Topology(Names("orders"), None, primary)
    assert listed(gone, copy)[0][0] == "reader"


def test_a_replica_that_is_made_after_the_cutover_stays() -> None:
    primary = instance("orders", {Tag.CUTOVER_BEGAN: "now"})
    late = instance("late")
    assert listed(Topology(Names("orders"), source("late"), primary), late) == []


def test_they_count_against_the_quotas() -> None:
    reader = instance("reader", AllocatedStorage=500)
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    demand = quota_demand_of(Topology(Names("orders"), source("reader"), None), "replicate", "online", [pair])
    assert demand is not None
    assert demand.along == (Counterpart("reader-encrypted", 500),)
    assert demand.of("DBInstances") == 3
    assert demand.of("AllocatedStorage") == 20 + 20 + 500
    assert demand.of("AllocatedStorage", ["reader-encrypted"]) == 40


def test_the_preview_names_those_that_come_along_and_those_that_do_not() -> None:
    reader = instance("reader", ReadReplicaDBInstanceIdentifiers=["behind"])
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    topology = Topology(Names("orders"), source("reader", "arn:far"), None)
    context = CheckContext(
        FakeAws(), cast(Any, None), Plan("replicate", "online", topology, replicas=(pair,))
    )
    along, cascaded, staying = of_replicas.replicas(context)
    assert along.what == "its replicas come along: reader"
    assert cascaded.what == "its replica reader has replicas that do not come along: behind"
    assert staying.what == "it has replicas that do not come along: arn:far"


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
        monkeypatch.setattr(replica_names, "require_in_sync", lambda *_args: self.made.append(("in sync",)))
        monkeypatch.setattr(replica_names, "require_unused", lambda *_args: None)
        monkeypatch.setattr(replica_names, "_old_clients", lambda *_args: [])

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
        identifier="orders",
        replica="reader",
        original_id=instance("original").resource_id,
        replica_id=instance("copy").resource_id,
        encrypted_id=instance("primary").resource_id,
        moved=moved,
        hours=1,
        **more,
    )


def called(identifier: str, **of: str) -> Instance:
    """One of the two, under the name that it has now."""
    return instance(of["of"], DBInstanceIdentifier=identifier, ReadReplicaSourceDBInstanceIdentifier="any")


def encrypted() -> Instance:
    """The encrypted instance before the cutover."""
    return instance("primary", tags_for(Role.ENCRYPTED, SOURCE_ID), DBInstanceIdentifier="orders-encrypted")


def test_the_name_moves_once_the_one_that_gets_it_is_in_sync(calls: Calls) -> None:
    original, copy = called("reader", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy)
    assert provider.perform(context, arguments(moved=True))["serves"] == copy.resource_id
    assert calls.made == [
        ("in sync",),
        ("ask_rename", original.resource_id, "reader-old"),
        ("ask_rename", copy.resource_id, "reader"),
        ("await_rename", copy.resource_id, "reader"),
        ("await_rename", original.resource_id, "reader-old"),
    ]
    # IAM lets rds-encrypt rename instances with this tag only.
    assert calls.tagged == [("reader", "original-replica", SOURCE_ID, "reader")]


def test_a_replica_that_is_deleted_after_it_gave_its_name_away_is_not_awaited(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, copy = called("reader", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy)

    def awaited(instances: Instances, which: str, name: str, **_rest: Any) -> None:
        calls.made.append(("await_rename", which, name))
        if which == original.resource_id:
            monkeypatch.setattr(Instances, "find", lambda _self, _which: None)
            raise TimedOut("it was not listed", where=which)

    monkeypatch.setattr(Instances, "await_rename", awaited)
    assert provider.perform(context, arguments(moved=True))["serves"] == copy.resource_id


@pytest.mark.parametrize(
    ("status", "waits"), [("renaming", True), ("available", False), ("storage-full", False)]
)
def test_one_that_has_the_name_already_is_awaited_unless_it_is_broken(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, status: str, *, waits: bool
) -> None:
    copy = instance(
        "copy",
        DBInstanceIdentifier="reader",
        ReadReplicaSourceDBInstanceIdentifier="any",
        DBInstanceStatus=status,
    )
    monkeypatch.setattr(
        Instances, "wait_until_available", lambda _self, which, **_rest: calls.made.append(("wait", which))
    )
    provider, context = step(called("reader-old", of="original"), copy)
    provider.perform(context, arguments(moved=True))
    assert calls.made == ([("wait", copy.resource_id)] if waits else [])


@pytest.mark.parametrize("moved", [True, False])
def test_a_run_that_died_between_the_two_renames_is_completed(calls: Calls, *, moved: bool) -> None:
    original, copy = called("reader-old", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy)
    taker = copy if moved else original
    assert provider.perform(context, arguments(moved=moved))["serves"] == taker.resource_id
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

    cascade = Instance({**original.description, "ReadReplicaDBInstanceIdentifiers": ["behind"]})
    provider, context = step(cascade, called("reader", of="copy"), instance("behind"))
    with pytest.raises(ActionRequired, match="would become independent instances: behind"):
        provider.perform(context, arguments(moved=True, retired=True))


def test_cleanup_keeps_a_replica_that_its_owner_has_promoted(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have data that exists nowhere else."""
    warnings: list[str] = []
    monkeypatch.setattr("providers.replica_names.warning_for", lambda _urn: warnings.append)
    promoted = instance("original", DBInstanceIdentifier="reader-old")
    provider, context = step(promoted, called("reader", of="copy"))
    provider.perform(context, arguments(moved=True, retired=True))
    assert calls.made == []
    assert "reader-old stays: it is no longer a replica" in warnings[0]

    provider, context = step(
        instance("original", DBInstanceIdentifier="reader"), called("reader-encrypted", of="copy")
    )
    with pytest.raises(ActionRequired, match=r"may have data of its own.*`\{reader: leave\}`"):
        provider.perform(context, arguments(moved=True))
    assert calls.made == [("in sync",)]


def test_a_name_that_the_owner_gave_is_not_taken_back(calls: Calls) -> None:
    """Only `-old` is ours."""
    theirs, copy = called("analytics", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(theirs, copy)
    assert provider.perform(context, arguments(moved=False))["serves"] == theirs.resource_id
    provider.undo(context, arguments(moved=False))
    assert [call for call in calls.made if "rename" in call[0]] == []


def test_an_instance_with_replicas_is_neither_stopped_nor_deleted() -> None:
    old = instance("orders-old", ReadReplicaDBInstanceIdentifiers=["orders-not-encrypted", "reader", "gone"])
    instances = Instances(FakeAws(old, instance("reader"), instance("orders-not-encrypted")))
    with pytest.raises(ActionRequired, match="independent instances: reader\\."):
        require_no_replicas(instances, old, without="orders-not-encrypted")
    alone = Instances(FakeAws(old, instance("orders-not-encrypted")))
    require_no_replicas(alone, old, without="orders-not-encrypted")


def test_a_replica_that_its_owner_changed_meanwhile_blocks_and_the_way_out_is_named() -> None:
    copy = called("reader-encrypted", of="copy")
    theirs = called("analytics", of="original")
    pair = ReplicaPair("reader", theirs.resource_id, theirs, copy)
    assert names_of(pair, theirs, copy) == ["its name was reader when it got its encrypted counterpart"]
    again = instance("reader")
    gone = ReplicaPair("reader", theirs.resource_id, None, copy)
    assert names_of(gone, again, copy) == [
        "another instance has this name by now, and reader-encrypted was made to take it over"
    ]
    promoted = instance("original", DBInstanceIdentifier="reader")
    assert ["no longer a replica" in what for what in names_of(gone, promoted, copy)] == [True]
    assert names_of(gone, copy) == []


def names_of(pair: ReplicaPair, *there: Instance) -> list[str]:
    plan = Plan("cutover", "online", Topology(Names("orders"), source(pair.name), None), replicas=(pair,))
    context = CheckContext(FakeAws(*there), cast(Any, None), plan)
    return [finding.what for finding in of_replicas.names_work(context)]


def test_a_replica_that_the_config_leaves_is_no_pair_nor_is_any_of_method_offline() -> None:
    reader, reports = instance("reader"), instance("reports")
    topology = Topology(Names("orders"), source("reader", "reports"), None)
    settings = ReplicaSettings(overrides={"reports": "leave"})
    assert listed(topology, reader, reports, settings=settings) == [("reader", reader, None)]
    some = ReplicaSettings(default="leave", overrides={"reports": "take"})
    assert listed(topology, reader, reports, settings=some) == [("reports", reports, None)]
    assert find_pairs(Instances(FakeAws(reader)), topology, "offline", TAKE) == ()


def test_an_encrypted_replica_that_is_missing_later_counts_against_the_quotas_too() -> None:
    reader = instance("reader")
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    topology = Topology(Names("orders"), source("reader"), instance("orders-encrypted"))
    demand = quota_demand_of(topology, "replicate", "online", [pair])
    assert demand is not None
    there = ["orders-not-encrypted", "orders-encrypted"]
    assert demand.of("DBInstances", there) == 1
    assert quota_demand_of(topology, "replicate", "online", [replace(pair, encrypted=instance("x"))]) is None


def findings_on(pair: ReplicaPair, strategy: str = "rename", **settings: Any) -> list[str]:
    topology = Topology(Names("orders"), source(pair.name), None)
    plan = Plan(
        "cutover",
        "online",
        topology,
        strategy_called(cast(Any, strategy), None, ("move",) if strategy == "dns" else ()),
        replicas=(pair,),
        replica_settings=ReplicaSettings(**settings),
    )
    context = CheckContext(FakeAws(), cast(Any, None), plan)
    return [finding.what for finding in of_replicas.replicas(context)]


def test_a_counterpart_that_is_not_like_the_replica_is_told() -> None:
    reader = instance("reader", DBInstanceClass="db.r6g.large")
    copy = instance(
        "reader-encrypted",
        pair_tags(ReplicaPair("reader", reader.resource_id, reader, None), SOURCE_ID),
        StorageEncrypted=True,
        DBInstanceClass="db.t3.small",
    )
    findings = findings_on(ReplicaPair("reader", reader.resource_id, reader, copy))
    assert (
        findings[1]
        == "reader-encrypted is not like reader: DBInstanceClass is 'db.t3.small' instead of 'db.r6g.large'"
    )
    like = instance("reader-encrypted", copy.tags, StorageEncrypted=True, DBInstanceClass="db.r6g.large")
    assert len(findings_on(ReplicaPair("reader", reader.resource_id, reader, like))) == 1


def test_names_in_the_config_that_fit_no_replica_are_told() -> None:
    reader = instance("reader")
    findings = findings_on(
        ReplicaPair("reader", reader.resource_id, reader, None), overrides={"raeder": "leave"}
    )
    assert findings[1:] == [
        "`replicas.overrides` names raeder, which is not a replica of it, nor of a replica that comes along"
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("reader.example", []),
        (
            "else.example",
            ["the record reads.shop.internal points at else.example, not at its replica reader"],
        ),
    ],
)
def test_the_record_of_the_readers_must_point_at_the_replica(
    monkeypatch: pytest.MonkeyPatch, target: str, expected: list[str]
) -> None:
    monkeypatch.setattr(dns_records, "target", lambda _aws, _record: target)
    reader = instance("reader", Endpoint={"Address": "reader.example", "Port": 3306})
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    assert findings_on(pair, "none", records={"reader": RECORD})[1:] == expected


def test_without_a_record_nobody_moves_the_readers() -> None:
    reader = instance("reader")
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    assert findings_on(pair, "none")[1:] == ["nothing moves the readers of reader"]


@pytest.mark.parametrize("delay", [0, 3600])
def test_a_delayed_replica_blocks(monkeypatch: pytest.MonkeyPatch, delay: int) -> None:
    reader = instance("reader")
    pair = ReplicaPair("reader", reader.resource_id, reader, None)
    topology = Topology(Names("orders"), source("reader"), None)
    context = CheckContext(
        FakeAws(),
        cast(Any, None),
        Plan("replicate", "online", topology, replicas=(pair,)),
        access=cast(Access, SimpleNamespace(session=lambda _instance: nullcontext())),
    )
    monkeypatch.setattr(channel, "status", lambda _session: SimpleNamespace(delay=delay))
    assert [finding.severity for finding in of_replicas.delayed(context)] == [Severity.BLOCKING] * bool(delay)


def test_destroy_deletes_a_counterpart_without_the_name_and_gives_a_parked_name_back(calls: Calls) -> None:
    original, copy = called("reader-old", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy, encrypted())
    provider.undo(context, arguments(moved=True))
    assert calls.made == [
        ("ask_rename", original.resource_id, "reader"),
        ("await_rename", original.resource_id, "reader"),
        ("delete", copy.resource_id),
    ]


def production() -> Instance:
    """The encrypted instance, which carries production."""
    tags = {**tags_for(Role.ENCRYPTED, SOURCE_ID), Tag.CUTOVER_BEGAN: "1", Tag.OPENED: "2"}
    return instance("primary", tags, StorageEncrypted=True, DBInstanceIdentifier="orders")


def test_destroy_keeps_one_that_readers_use(calls: Calls) -> None:
    provider, context = step(called("reader-old", of="original"), called("reader", of="copy"), production())
    provider.undo(context, arguments(moved=True))
    assert calls.made == []
    assert calls.untagged == ["reader-old", "reader"]


def test_destroy_before_the_cutover_gives_readers_back_that_moved_first(calls: Calls) -> None:
    original, copy = called("reader-old", of="original"), called("reader", of="copy")
    provider, context = step(original, copy, encrypted())
    provider.undo(context, arguments(moved=True, first=True))
    assert calls.made == [
        ("ask_rename", copy.resource_id, "reader-encrypted"),
        ("ask_rename", original.resource_id, "reader"),
        ("await_rename", original.resource_id, "reader"),
        ("await_rename", copy.resource_id, "reader-encrypted"),
        ("delete", copy.resource_id),
    ]


def test_destroy_after_the_cutover_completes_a_rename_that_was_cut_off(calls: Calls) -> None:
    copy = called("reader-encrypted", of="copy")
    provider, context = step(called("reader-old", of="original"), copy, production())
    provider.undo(context, arguments(moved=False))
    assert calls.made == [
        ("ask_rename", copy.resource_id, "reader"),
        ("await_rename", copy.resource_id, "reader"),
    ]


def test_destroy_after_the_cutover_keeps_a_counterpart_that_does_not_serve_yet(calls: Calls) -> None:
    provider, context = step(
        called("reader", of="original"), called("reader-encrypted", of="copy"), production()
    )
    provider.undo(context, arguments(moved=True))
    assert calls.made == []
    assert calls.untagged == ["reader", "reader-encrypted"]


def test_a_replaced_step_leaves_the_name_with_the_replica_that_has_it_now(calls: Calls) -> None:
    provider, context = step(
        called("reader-old", of="original"), instance("third", DBInstanceIdentifier="reader")
    )
    provider.undo(context, arguments(moved=True))
    assert calls.made == []


def test_destroy_gives_the_name_back_even_if_the_strategy_was_changed_and_the_record_is_gone(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, copy = called("reader-old", of="original"), called("reader", of="copy")
    provider, context = step(original, copy, encrypted())

    def gone(*_args: object) -> None:
        raise PreconditionFailed("there is no such CNAME", where="record reads", fix="Create it")

    monkeypatch.setattr(dns_records, "target", gone)
    provider.undo(context, arguments(moved=True, strategy="dns", record=RECORD))
    assert ("ask_rename", original.resource_id, "reader") in calls.made
    assert calls.made[-1] == ("delete", copy.resource_id)


def test_destroy_keeps_the_replica_of_an_instance_that_has_lost_its_tags(calls: Calls) -> None:
    """Its owner's tool may have removed them, with the journal in them; DeletionGuard keeps that instance, too."""
    bare = instance("primary", DBInstanceIdentifier="orders", StorageEncrypted=True)
    provider, context = step(called("reader-old", of="original"), called("reader", of="copy"), bare)
    provider.undo(context, arguments(moved=True))
    assert calls.made == []


def test_destroy_deletes_nothing_that_a_deleted_instance_has_left(calls: Calls) -> None:
    provider, context = step(called("reader-old", of="original"), called("reader", of="copy"))
    provider.undo(context, arguments(moved=True))
    assert calls.made == []


def test_a_counterpart_that_follows_nobody_serves_nobody(calls: Calls) -> None:
    """RDS turns a replica whose source is deleted into an independent instance."""
    lone = instance("copy", DBInstanceIdentifier="reader-encrypted")
    provider, context = step(called("reader", of="original"), lone)
    with pytest.raises(ActionRequired, match="no longer a replica"):
        provider.perform(context, arguments(moved=True))
    provider, context = step(called("reader-old", of="original"), lone, production())
    provider.undo(context, arguments(moved=True))
    assert calls.made == []


def test_a_rollback_without_the_owners_replica_says_what_leads_on(calls: Calls) -> None:
    provider, context = step(called("reader", of="copy"))
    with pytest.raises(ActionRequired, match=r"Set `replicas.overrides` to `\{reader: leave\}`"):
        provider.perform(context, arguments(moved=False))


def test_a_record_that_points_elsewhere_stays_until_the_counterpart_takes_over(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointed: list[str] = []
    monkeypatch.setattr(dns_records, "target", lambda _aws, _record: "elsewhere.example")
    monkeypatch.setattr(dns_records, "point", lambda _aws, _record, host: pointed.append(host))
    provider, context = step(called("reader", of="original"), called("reader-encrypted", of="copy"))
    provider.perform(context, arguments(moved=False, strategy="dns", record=RECORD))
    assert pointed == []


def test_a_record_that_the_config_no_longer_has_must_not_point_at_the_counterpart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = called("reader-encrypted", of="copy")
    _provider, context = step(called("reader", of="original"), copy)
    olds, news = arguments(moved=True, strategy="dns", record=RECORD), arguments(moved=True, strategy="dns")
    monkeypatch.setattr(dns_records, "target", lambda _aws, _record: copy.address)
    with pytest.raises(ActionRequired, match=r"no longer has the record reads\.shop\.internal"):
        replica_readers.require_same_record(context, olds, news)
    monkeypatch.setattr(dns_records, "target", lambda _aws, _record: "elsewhere")
    replica_readers.require_same_record(context, olds, news)
    state = {"moved": True, "record": {"hosted_zone_id": "Z1", "record": "reads"}}
    assert ReplicaNamesProvider().diff("", state, {"moved": True}).changes


def test_a_replica_whose_readers_moved_first_is_found_by_their_name(calls: Calls) -> None:
    parked = instance("reader-old", {Tag.READERS_NAME: "reader"})
    topology = Topology(Names("orders"), source("reader-old"), encrypted())
    assert listed(topology, parked) == [("reader", parked, None)]


def test_an_instance_is_not_deleted_before_the_replicas_that_serve_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Calls(monkeypatch)
    reader = instance("reader")
    idle, serving = counterpart("reader-encrypted", reader), counterpart("reader", reader)
    for replica, refused in ((idle, False), (serving, True), (instance("strangers"), True)):
        primary = instance("primary", ReadReplicaDBInstanceIdentifiers=[replica.identifier])
        there = Instances(FakeAws(primary, replica))
        calls.made.clear()
        with pytest.raises(ActionRequired, match="would become instances") if refused else nullcontext():
            delete_counterparts(there, primary, SOURCE_ID, silent)
        assert calls.made == ([] if refused else [("delete", replica.resource_id)])


@pytest.mark.parametrize(
    ("name", "there", "strategy", "expected"),
    [
        ("reader", {}, "rename", []),
        ("r" * 54, {}, "rename", [f"`{'r' * 54}-encrypted` would have 64 characters, but RDS allows 63"]),
        (
            "reader",
            {"ReadReplicaSourceDBInstanceIdentifier": ""},
            "rename",
            ["it is no longer a replica, so its data does not change"],
        ),
        ("reader", {"ReadReplicaSourceDBInstanceIdentifier": "orders-encrypted"}, "rename", []),
    ],
)
def test_names_that_cannot_work_block(
    name: str, there: dict[str, str], strategy: str, expected: list[str]
) -> None:
    reader = instance(name)
    pair = ReplicaPair(name, reader.resource_id, reader, None)
    plan = Plan(
        "replicate",
        "online",
        Topology(Names("orders"), source(name), None),
        strategy_called(cast(Any, strategy)),
        replicas=(pair,),
    )
    present = [instance(f"{name}-encrypted", None, **there)] if there else []
    context = CheckContext(FakeAws(*present), cast(Any, None), plan)
    assert [finding.what for finding in of_replicas.names_work(context)] == expected


def test_readers_that_moved_by_name_keep_the_strategy(calls: Calls) -> None:
    reader, copy = instance("reader-old"), instance("reader")
    pair = ReplicaPair("reader", reader.resource_id, reader, copy)
    plan = Plan(
        "cutover",
        "online",
        Topology(Names("orders"), source("reader-old"), None),
        strategy_called("none"),
        replicas=(pair,),
    )
    (finding,) = of_replicas.names_work(CheckContext(FakeAws(), cast(Any, None), plan))
    assert "which strategy `none` does not move back" in finding.what


def test_what_serves_readers_stays_if_nothing_can_take_them_back(calls: Calls) -> None:
    provider, context = step(called("reader", of="copy"))
    provider.undo(context, arguments(moved=True, first=True))
    assert calls.made == []


@pytest.mark.parametrize("moved", [True, False])
def test_with_a_record_only_that_moves(calls: Calls, monkeypatch: pytest.MonkeyPatch, *, moved: bool) -> None:
    pointed = ["reader.example" if moved else "copy.example"]
    monkeypatch.setattr(dns_records, "target", lambda _aws, _record: pointed[-1])
    monkeypatch.setattr(dns_records, "point", lambda _aws, _record, host: pointed.append(host))
    original = instance(
        "original",
        DBInstanceIdentifier="reader",
        Endpoint={"Address": "reader.example", "Port": 3306},
        ReadReplicaSourceDBInstanceIdentifier="orders",
    )
    copy = instance(
        "copy",
        Endpoint={"Address": "copy.example", "Port": 3306},
        ReadReplicaSourceDBInstanceIdentifier="orders-encrypted",
    )
    provider, context = step(original, copy, encrypted())
    args = arguments(moved=moved, strategy="dns", record=RECORD)
    provider.perform(context, args)
    provider.perform(context, args)
    assert pointed[1:] == ["copy.example" if moved else "reader.example"]
    assert calls.made == [("in sync",)]
    provider.undo(context, args)
    assert pointed[-1] == "reader.example"
    assert calls.made == [("in sync",), ("delete", copy.resource_id)]


def test_without_a_record_cleanup_deletes_the_owners_replica_and_not_its_counterpart(calls: Calls) -> None:
    original, copy = called("reader", of="original"), called("reader-encrypted", of="copy")
    provider, context = step(original, copy)
    provider.perform(context, arguments(moved=True, strategy="none", retired=True))
    assert calls.made == [("delete", original.resource_id)]


def test_a_replica_is_in_sync_through_the_encrypted_instance_while_the_source_carries_production(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caught_up: list[tuple[str, str]] = []
    monkeypatch.setattr(replica_readers, "required_status", lambda _session: SimpleNamespace(delay=0))
    monkeypatch.setattr(lag, "catch_up", lambda ahead, behind, **_rest: caught_up.append((ahead, behind)))
    monkeypatch.setattr(
        Instances, "wait_until_available", lambda _self, which, **_rest: SimpleNamespace(resource_id=which)
    )
    context = cast(
        StepContext,
        SimpleNamespace(
            instances=Instances(FakeAws()),
            progress=silent,
            session=nullcontext,
            access=SimpleNamespace(session=lambda db_instance: nullcontext(db_instance.resource_id)),
        ),
    )
    args = arguments(moved=True, first=True)
    replica_readers.require_in_sync(context, args, args.replica_id)
    assert caught_up == [(SOURCE_ID, args.encrypted_id), (args.encrypted_id, args.replica_id)]
