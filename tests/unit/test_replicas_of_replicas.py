"""Replicas of replicas come along: found below the pair that they follow, deleted before it, never promoted by RDS."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pytest

from components.replicas import Replicas
from providers import replica_names, replica_readers
from providers.replica_names import ReplicaNamesArgs, ReplicaNamesProvider
from providers.step import StepContext
from rds_encrypt import replica_pairs
from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.check import Finding
from rds_encrypt.checks import of_replicas
from rds_encrypt.checks.context import CheckContext, Plan
from rds_encrypt.core.errors import ActionRequired, TimedOut
from rds_encrypt.core.waiting import silent
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Role, Tag, tags_for
from rds_encrypt.mysql import lag
from rds_encrypt.names import Names
from rds_encrypt.plan import phases
from rds_encrypt.quota_demand import quota_demand_of
from rds_encrypt.replica_pairs import ReplicaPair, delete_counterparts, find_originals, find_pairs, pair_tags
from rds_encrypt.settings import CredentialSettings, ReplicaSettings, SourceSettings
from tests.unit.fakes import ACCESS, FakeAws, instance

SOURCE_ID = "db-ORDERS"


def member(
    name: str, *replicas: str, of: str | None = None, tags: dict[str, str] | None = None, **more: Any
) -> Instance:
    """A replica of ``of``, with these replicas of its own."""
    return instance(
        name,
        tags,
        ReadReplicaDBInstanceIdentifiers=list(replicas),
        ReadReplicaSourceDBInstanceIdentifier=of,
        **more,
    )


def counterpart(
    name: str, original: Instance, readers: str, *replicas: str, of: str, **more: Any
) -> Instance:
    tags = pair_tags(ReplicaPair(readers, original.resource_id, original, None), SOURCE_ID)
    return member(name, *replicas, of=of, tags=tags, StorageEncrypted=True, **more)


ABOVE = member("above", "below", of="orders", BackupRetentionPeriod=7)
BELOW = member("below", "third", of="above")
SOURCE = member("orders", "above")
ENCRYPTED = member("orders-encrypted", "above-encrypted", tags=tags_for(Role.ENCRYPTED, SOURCE_ID))
ABOVE_COPY = counterpart(
    "above-encrypted", ABOVE, "above", "below-encrypted", of="orders-encrypted", BackupRetentionPeriod=7
)
BELOW_COPY = counterpart("below-encrypted", BELOW, "below", of="above-encrypted")
PAIR = ReplicaPair("above", ABOVE.resource_id, ABOVE, ABOVE_COPY)
DEEPER = ReplicaPair("below", BELOW.resource_id, BELOW, BELOW_COPY, PAIR)


def listed(
    topology: Topology, *there: Instance, **settings: Any
) -> list[tuple[str, str | None, str | None, str | None]]:
    pairs = find_pairs(Instances(FakeAws(*there)), topology, "online", ReplicaSettings(**settings))
    return [
        (
            pair.name,
            pair.above.name if pair.above is not None else None,
            pair.original.identifier if pair.original is not None else None,
            pair.encrypted.identifier if pair.encrypted is not None else None,
        )
        for pair in pairs
    ]


# Which come along.


def test_a_replica_of_a_replica_is_listed_below_its_pair_and_a_third_level_is_not() -> None:
    third = member("third", of="below")
    assert listed(Topology(Names("orders"), SOURCE, None), ABOVE, BELOW, third) == [
        ("above", None, "above", None),
        ("below", "above", "below", None),
    ]
    topology = Topology(Names("orders"), SOURCE, ENCRYPTED)
    assert listed(topology, ABOVE, BELOW, third, ABOVE_COPY, BELOW_COPY) == [
        ("above", None, "above", "above-encrypted"),
        ("below", "above", "below", "below-encrypted"),
    ]


def test_it_is_found_under_its_new_names_and_without_the_old_instances() -> None:
    old_above, old_below = (
        member("above-old", "below-old", of="orders-old"),
        member("below-old", of="above-old"),
    )
    above = counterpart("above", old_above, "above", "below", of="orders")
    below = counterpart("below", old_below, "below", of="above")
    production = member(
        "orders", "above", tags={**tags_for(Role.ENCRYPTED, SOURCE_ID), Tag.CUTOVER_BEGAN: "1"}
    )
    topology = Topology(
        Names("orders"), member("orders-old", "above-old", DbiResourceId=SOURCE_ID), production
    )
    assert listed(topology, old_above, old_below, above, below)[1] == ("below", "above", "below-old", "below")
    gone = Topology(Names("orders"), None, production)
    assert listed(gone, above, below)[1] == ("below", "above", None, "below")


def test_one_that_an_interrupted_rename_hides_is_awaited_once_names_move(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[bool] = []

    def wait(_wait: Any, look: Any, *, done: Any) -> Any:
        waits.append(done(look()))
        raise TimedOut("not listed")

    monkeypatch.setattr(replica_pairs, "until", wait)
    begun = instance("orders-encrypted", {**ENCRYPTED.tags, Tag.CUTOVER_BEGAN: "1"}, DbiResourceId="db-E")
    topology = Topology(Names("orders"), SOURCE, Instance({**begun.description, **_lists("above-encrypted")}))
    assert listed(topology, SOURCE, topology.encrypted or SOURCE, ABOVE, ABOVE_COPY, BELOW)[-1][0] == "above"
    assert waits == [False]  # below-encrypted
    assert listed(Topology(Names("orders"), SOURCE, ENCRYPTED), ABOVE)[-1][0] == "above"
    assert waits == [False]


def _lists(*replicas: str) -> dict[str, Any]:
    return {"ReadReplicaDBInstanceIdentifiers": list(replicas)}


def test_another_replica_with_the_name_of_one_that_is_gone_makes_no_second_pair() -> None:
    """The step then says that the replica was deleted; two steps of one name would end the run."""
    again = member("below", of="orders", DbiResourceId="db-AGAIN")
    topology = Topology(Names("orders"), member("orders", "above", "below"), ENCRYPTED)
    above = member("above", of="orders", BackupRetentionPeriod=7)
    assert listed(topology, above, again, ABOVE_COPY, BELOW_COPY) == [
        ("above", None, "above", "above-encrypted"),
        ("below", "above", None, "below-encrypted"),
    ]


def test_it_stays_if_the_config_leaves_it_or_the_replica_above() -> None:
    topology = Topology(Names("orders"), SOURCE, None)
    assert [pair[0] for pair in listed(topology, ABOVE, BELOW, overrides={"below": "leave"})] == ["above"]
    assert listed(topology, ABOVE, BELOW, overrides={"above": "leave"}) == []


def test_it_counts_against_the_quotas() -> None:
    pairs = [PAIR, ReplicaPair("below", BELOW.resource_id, BELOW, None, PAIR)]
    demand = quota_demand_of(Topology(Names("orders"), SOURCE, ENCRYPTED), "replicate", "online", pairs)
    assert demand is not None
    assert [replica.name for replica in demand.along] == ["above-encrypted", "below-encrypted"]


def findings(
    check: Any, *pairs: ReplicaPair, there: tuple[Instance, ...] = (), **settings: Any
) -> list[Finding]:
    plan = Plan(
        "replicate",
        "online",
        Topology(Names("orders"), SOURCE, ENCRYPTED),
        replicas=pairs,
        replica_settings=ReplicaSettings(**settings),
    )
    return list(check(CheckContext(FakeAws(*there), cast(Any, None), plan)))


def test_the_preview_says_whose_replica_it_is_and_that_a_third_level_stays() -> None:
    sentences = [
        finding.what for finding in findings(of_replicas.replicas, PAIR, DEEPER, overrides={"below": "take"})
    ]
    assert sentences == [
        "its replicas come along: above, below (a replica of above)",
        "its replica below (a replica of above) has replicas that do not come along: third",
    ]


def test_one_that_the_config_leaves_is_told_with_the_replica_that_it_stays_with() -> None:
    replica_findings = findings(of_replicas.replicas, PAIR, overrides={"below": "leave"})
    assert [finding.what for finding in replica_findings[1:]] == [
        "its replica above has replicas that do not come along: below"
    ]
    assert "create new replicas of `above`" in replica_findings[1].fix
    (left,) = findings(of_replicas.replicas, there=(ABOVE,))
    assert left.what == "it has replicas that do not come along: above (with its own: below)"


def test_a_counterpart_without_backups_blocks_and_the_message_has_the_command() -> None:
    bare = counterpart("above-encrypted", ABOVE, "above", of="orders-encrypted", BackupRetentionPeriod=0)
    above = ReplicaPair("above", ABOVE.resource_id, ABOVE, bare)
    missing = ReplicaPair("below", BELOW.resource_id, BELOW, None, above)
    (finding,) = findings(of_replicas.names_work, above, missing)
    assert finding.where == "above-encrypted"
    assert "--db-instance-identifier above-encrypted --backup-retention-period 7" in finding.fix
    assert findings(of_replicas.names_work, PAIR, ReplicaPair("below", "db-B", BELOW, None, PAIR)) == []
    assert findings(of_replicas.names_work, above) == []


@pytest.mark.parametrize("name", ["below-encrypted", "below"])
def test_one_that_lost_the_counterpart_above_blocks_under_either_name(name: str) -> None:
    lost = counterpart(name, BELOW, "below", of="")
    missing = ReplicaPair("below", BELOW.resource_id, BELOW, None, PAIR)
    (finding,) = findings(of_replicas.names_work, PAIR, missing, there=(lost,))
    assert finding.where == name
    assert "no longer a replica" in finding.what


def test_the_plan_creates_the_deeper_one_last_and_deletes_it_first() -> None:
    settings = SourceSettings("orders", CredentialSettings(secret_id="orders/master"))
    made = phases.plan(settings, "replicate", Topology(Names("orders"), SOURCE, None), None, [PAIR, DEEPER])
    assert made is not None
    assert [stage.what for stage in made.stages][-2:] == [
        "create encrypted replicas of it: above-encrypted",
        "create replicas of those: below-encrypted",
    ]
    production = instance("orders", {Tag.CUTOVER_BEGAN: "1", Tag.OPENED: "2"}, DbiResourceId="db-E")
    topology = Topology(Names("orders"), member("orders-old", tags={Tag.OWNER: "a/b"}), production)
    cleaned = phases.plan(settings, "cleanup", topology, None, [PAIR, DEEPER])
    assert cleaned is not None
    deleted = [stage.what for stage in cleaned.stages if stage.what.startswith("delete the replica")]
    assert deleted == ["delete the replica below", "delete the replica above"]


# In which order.


@pytest.mark.parametrize(
    ("phase", "order", "expected"),
    [
        ("replicate", "one-by-one", {"above": ["last"], "other": ["above"], "below": ["other"]}),
        ("rollback", "together", {"above": ["last"], "other": ["last"], "below": ["last", "above", "other"]}),
        ("cleanup", "one-by-one", {"below": ["last"], "above": ["below"], "other": ["above"]}),
        ("cleanup", "together", {"below": ["last"], "above": ["last", "below"], "other": ["last", "below"]}),
    ],
)
def test_the_deeper_step_depends_on_the_other_and_in_cleanup_the_other_way_round(
    phase: str, order: str, expected: dict[str, list[str]]
) -> None:
    other = ReplicaPair("other", "db-OTHER", member("other"), None)
    made: dict[str, tuple[Any, list[Any]]] = {}
    moved: dict[str, tuple[Any, list[Any]]] = {}

    def make(pair: ReplicaPair, follows: Any, after: list[Any]) -> Any:
        made[pair.name] = (follows, after)
        return SimpleNamespace(id=f"id of {pair.name}", identifier="a name in the state")

    def move(pair: ReplicaPair, _id: str, above_id: Any, _encrypted: str, after: list[Any]) -> Any:
        moved[pair.name] = (above_id, after[1:])
        return SimpleNamespace(called=pair.name, serves="", old_clients=[])

    settings = SimpleNamespace(replicas=ReplicaSettings(order=cast(Any, order)))
    source = SimpleNamespace(
        existing=SimpleNamespace(replicas=(PAIR, other, DEEPER)), settings=settings, phase=phase
    )
    resources, steps = SimpleNamespace(encrypted_replica=make), SimpleNamespace(replica_names=move)
    last = SimpleNamespace(called="last")
    replicas = Replicas(cast(Any, source), cast(Any, resources), "orders-encrypted", [])
    done, served = replicas.move_readers(cast(Any, steps), "db-E", cast(pulumi.Resource, last))
    assert {name: [resource.called for resource in after] for name, (_, after) in moved.items()} == expected
    assert moved["below"][0] == "id of above"
    assert moved["above"][0] is None
    assert made["above"][0] == "orders-encrypted"
    assert made["below"][0] == "above-encrypted"  # not the name in the state
    assert len(made["below"][1]) == 1
    assert len(done) == 4
    assert set(served) == {"above", "other", "below"}


# The step.


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(Instances, "delete", lambda _self, which, **_rest: names.append(which))
    return names


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(replica_names, "warning_for", lambda _urn: sentences.append)
    monkeypatch.setattr(replica_names, "untag_or_warn", lambda *_args, **_more: None)
    return sentences


def arguments(name: str = "below", *, moved: bool = True, **more: Any) -> ReplicaNamesArgs:
    original, copy = {"below": (BELOW, BELOW_COPY), "above": (ABOVE, ABOVE_COPY)}[name]
    return ReplicaNamesArgs(
        source_id=SOURCE_ID,
        access=ACCESS,
        identifier="orders",
        replica=name,
        original_id=original.resource_id,
        replica_id=copy.resource_id,
        encrypted_id=ENCRYPTED.resource_id,
        moved=moved,
        hours=1,
        **more,
    )


def step(*there: Instance) -> tuple[ReplicaNamesProvider, StepContext]:
    return ReplicaNamesProvider(), StepContext(FakeAws(*there), cast(Access, None), silent)


def renamed(db_instance: Instance, name: str, **more: Any) -> Instance:
    return Instance({**db_instance.description, "DBInstanceIdentifier": name, **more})


@pytest.mark.parametrize(
    ("moved", "first", "through", "expected"),
    [
        (True, False, ABOVE_COPY, [ENCRYPTED, ABOVE_COPY, BELOW_COPY]),
        (True, True, ABOVE_COPY, [SOURCE, ENCRYPTED, ABOVE_COPY, BELOW_COPY]),
        (False, False, ABOVE, [SOURCE, ABOVE, BELOW]),
    ],
)
def test_each_instance_on_the_way_catches_up_with_the_one_before(
    monkeypatch: pytest.MonkeyPatch, *, moved: bool, first: bool, through: Instance, expected: list[Instance]
) -> None:
    caught_up: list[tuple[str, str]] = []
    monkeypatch.setattr(replica_readers, "required_status", lambda _session: SimpleNamespace(delay=0))
    monkeypatch.setattr(lag, "catch_up", lambda ahead, behind, **_rest: caught_up.append((ahead, behind)))
    there = FakeAws(SOURCE, ENCRYPTED, ABOVE, ABOVE_COPY, BELOW, BELOW_COPY)
    context = cast(
        StepContext,
        SimpleNamespace(
            instances=Instances(there),
            progress=silent,
            session=nullcontext,
            access=SimpleNamespace(session=lambda db_instance: nullcontext(db_instance.resource_id)),
        ),
    )
    args = arguments(moved=moved, first=first, through_id=through.resource_id)
    replica_readers.require_in_sync(context, args, args.replica_id if moved else args.original_id)
    ids = [db_instance.resource_id for db_instance in expected]
    assert caught_up == list(pairwise(ids))


def test_a_deleted_instance_on_the_way_is_told_at_once() -> None:
    provider, context = step(BELOW, BELOW_COPY, ENCRYPTED)
    with pytest.raises(ActionRequired, match="is not there") as refused:
        provider.perform(_without_tags(context), arguments(through_id=ABOVE_COPY.resource_id))
    assert "run `pulumi up` again" in str(refused.value)


def _without_tags(context: StepContext) -> StepContext:
    """Let the step tag nothing."""
    cast(Any, context.aws.rds).add_tags_to_resource = lambda **_tags: None
    return context


def test_an_original_that_lost_its_source_gets_no_readers_back() -> None:
    """After its replica was deleted by hand, RDS turned what followed it into an independent instance."""
    lone = renamed(BELOW, "below-old", ReadReplicaSourceDBInstanceIdentifier=None)
    provider, context = step(lone, renamed(BELOW_COPY, "below"), ENCRYPTED)
    with pytest.raises(ActionRequired, match="is no longer a replica") as refused:
        provider.perform(_without_tags(context), arguments(moved=False))
    assert "`{below: leave}`" in str(refused.value)


def test_destroy_keeps_what_serves_readers_if_the_original_is_no_longer_a_replica(
    deleted: list[str], said: list[str]
) -> None:
    lone = renamed(BELOW, "below-old", ReadReplicaSourceDBInstanceIdentifier=None)
    provider, context = step(lone, renamed(BELOW_COPY, "below"), ENCRYPTED, SOURCE)
    provider.undo(context, arguments())
    assert deleted == []
    (sentence,) = said
    assert sentence.startswith(
        "below stays, because below-old, which it replaces, is no longer a replica, so"
    )
    serving = renamed(BELOW, "below", ReadReplicaSourceDBInstanceIdentifier=None)
    provider, context = step(serving, BELOW_COPY, ENCRYPTED, SOURCE)
    provider.undo(context, arguments(moved=False))
    assert deleted == [BELOW_COPY.resource_id]


def test_destroy_deletes_what_follows_a_counterpart_first_and_refuses_if_that_serves(
    deleted: list[str], said: list[str]
) -> None:
    there = (ABOVE, ABOVE_COPY, ENCRYPTED, SOURCE)
    provider, context = step(*there, BELOW_COPY)
    provider.undo(context, arguments("above", moved=False))
    assert deleted == [BELOW_COPY.resource_id, ABOVE_COPY.resource_id]

    deleted.clear()
    above = renamed(ABOVE_COPY, "above-encrypted", ReadReplicaDBInstanceIdentifiers=["below"])
    provider, context = step(ABOVE, above, ENCRYPTED, SOURCE, renamed(BELOW_COPY, "below"))
    with pytest.raises(
        ActionRequired, match="instances of their own, with data that no longer changes: below"
    ):
        provider.undo(context, arguments("above", moved=False))
    assert deleted == []


def test_counterparts_that_no_step_knows_are_deleted_from_the_deepest_up(deleted: list[str]) -> None:
    there = Instances(FakeAws(ENCRYPTED, ABOVE_COPY, BELOW_COPY))
    delete_counterparts(there, ENCRYPTED, SOURCE_ID, silent)
    assert deleted == [BELOW_COPY.resource_id, ABOVE_COPY.resource_id]


def test_cleanup_does_not_mind_a_replica_that_is_still_listed_but_gone(
    deleted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_names, "require_unused", lambda *_args: None)
    monkeypatch.setattr(replica_names, "_old_clients", lambda *_args: [])
    old = renamed(ABOVE, "above-old", ReadReplicaDBInstanceIdentifiers=["below-old"])
    serving = renamed(ABOVE_COPY, "above")
    provider, context = step(old, serving, ENCRYPTED)
    provider.perform(_without_tags(context), arguments("above", retired=True))
    assert deleted == [old.resource_id]

    provider, context = step(old, serving, ENCRYPTED, renamed(BELOW, "below-old"))
    with pytest.raises(ActionRequired, match="would become independent instances: below-old"):
        provider.perform(_without_tags(context), arguments("above", retired=True))


def test_what_a_killed_run_has_tagged_is_found_on_both_levels() -> None:
    tags = tags_for(Role.ORIGINAL_REPLICA, SOURCE_ID)
    above, below = (
        member("above", "below", of="orders", tags=tags),
        member("below", of="above", tags=tags),
    )
    there = Instances(FakeAws(SOURCE, above, below))
    assert [original.identifier for original in find_originals(there, SOURCE)] == ["above", "below"]
