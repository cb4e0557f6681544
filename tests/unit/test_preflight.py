"""Preflight: each check looks at one thing, and says in one sentence what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from rds_encrypt import lifecycle, tag_limit
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.aws.snapshots import Snapshot
from rds_encrypt.check import Scope, Severity
from rds_encrypt.checks import of_phase, preflight, run
from rds_encrypt.checks.context import AwsCheck, CheckContext, Plan
from rds_encrypt.checks.registry import AWS
from rds_encrypt.cutover import fence
from rds_encrypt.cutover.strategies import InPlace, Rename
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import KEYS, Tag
from rds_encrypt.names import Names
from rds_encrypt.phases import Method, Phase
from rds_encrypt.state import ENDED, Position
from rds_encrypt.version import VERSION
from tests.unit.fakes import FakeAws, instance

NAMES = Names("orders")
CUTOVER_BEGAN: dict[str, str] = {Tag.CUTOVER_BEGAN: "now"}
DONE: dict[str, str] = {Tag.CUTOVER_BEGAN: "now", Tag.OPENED: "now"}


def plan(
    phase: Phase = "replicate", method: Method = "online", source: Any = None, encrypted: Any = None
) -> Plan:
    return Plan(phase, method, Topology(NAMES, source if source is not None else instance(), encrypted))


def passes(check: AwsCheck, what: Plan) -> bool:
    return not list(check(CheckContext(FakeAws(), AccountInventory(FakeAws()), what)))


def refusal(check: AwsCheck, what: Plan) -> str:
    (finding,) = check(CheckContext(FakeAws(), AccountInventory(FakeAws()), what))
    assert finding.severity is Severity.BLOCKING
    return str(finding)


@pytest.mark.parametrize(
    ("phase", "method", "tags", "sentence"),
    [
        ("replicate", "online", DONE, "phase `replicate` is over"),
        ("cutover", "online", None, "phase `cutover` needs an encrypted instance"),
        ("cleanup", "online", None, "phase `cleanup` needs the cutover to be complete"),
        ("cleanup", "online", {}, "phase `cleanup` needs the cutover to be complete"),
        ("cleanup", "online", CUTOVER_BEGAN, "phase `cleanup` needs the cutover to be complete"),
        ("cleanup", "offline", None, "phase `cleanup` needs the cutover to be complete"),
        ("rollback", "online", None, "there is no cutover to roll back"),
        ("rollback", "online", {}, "there is no cutover to roll back"),
    ],
)
def test_a_phase_that_would_skip_another_is_refused(
    phase: Phase, method: Method, tags: dict[str, str] | None, sentence: str
) -> None:
    encrypted = None if tags is None else instance("orders-encrypted", tags=tags)
    assert sentence in refusal(of_phase.phase_follows, plan(phase, method, encrypted=encrypted))


@pytest.mark.parametrize(
    ("phase", "method", "tags"),
    [
        ("replicate", "online", None),
        ("replicate", "online", {}),
        ("replicate", "online", {Tag.ROLLED_BACK: "now"}),
        ("cutover", "online", {}),
        ("cutover", "online", CUTOVER_BEGAN),
        ("cutover", "offline", None),
        ("cleanup", "online", DONE),
        ("rollback", "online", {Tag.ROLLED_BACK: "now"}),
    ],
)
def test_a_phase_in_its_turn_passes(phase: Phase, method: Method, tags: dict[str, str] | None) -> None:
    encrypted = None if tags is None else instance("orders", tags=tags)
    assert passes(of_phase.phase_follows, plan(phase, method, encrypted=encrypted))


@pytest.mark.parametrize(
    ("engine", "version"),
    [("postgres", "16.3"), ("mariadb", "10.11.8"), ("mysql", "5.6.51"), ("mysql", "9.1.0")],
)
def test_an_engine_that_we_do_not_do_is_refused(engine: str, version: str) -> None:
    sentence = refusal(
        preflight.engine_supported, plan(source=instance(Engine=engine, EngineVersion=version))
    )
    assert sentence.startswith(
        f"orders: its engine is {engine} {version}. rds-encrypt migrates only MySQL 5.7, 8.0, 8.4, 9.7"
    )


@pytest.mark.parametrize("version", ["5.7.44", "5.7.44-rds.20240808", "8.0.31", "8.4.3", "9.7.4"])
def test_the_engines_that_we_do_pass(version: str) -> None:
    assert passes(preflight.engine_supported, plan(source=instance(EngineVersion=version)))


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
    assert passes(preflight.class_encrypts, plan(source=instance(DBInstanceClass=class_))) is not refused


def test_no_backups_are_refused() -> None:
    sentence = refusal(preflight.backups_on, plan(source=instance(BackupRetentionPeriod=0)))
    assert "its backup retention period is 0" in sentence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ReadReplicaSourceDBInstanceIdentifier": "main"}, "it is itself a replica of main"),
        ({"DBClusterIdentifier": "three"}, "it belongs to cluster three"),
        ({"AssociatedRoles": [{"RoleArn": "arn"}]}, "it has 1 IAM role(s) associated"),
        ({"DomainMemberships": [{"Domain": "d-1", "Status": "joined"}]}, "it belongs to the directory d-1"),
    ],
)
def test_a_source_that_does_not_stand_alone_is_refused(change: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(preflight.stands_alone, plan(source=instance(**change)))


@pytest.mark.parametrize(
    ("group", "users", "reason"),
    [
        ("orders-mysql80", ("orders",), None),
        ("orders-mysql80", ("orders", "orders-replica", "orders-replica-encrypted"), None),
        ("orders-mysql80", ("orders", "orders-replica", "behind"), None),
        ("orders-mysql80", (), None),
        ("default.mysql8.0", ("orders",), "is AWS's default, which cannot be changed"),
        ("orders-mysql80", ("orders", "other"), "is shared with db-OTHER"),
    ],
)
def test_a_group_carries_the_fence_if_it_is_the_sources_own(
    group: str, users: tuple[str, ...], reason: str | None
) -> None:
    groups = [{"DBParameterGroupName": group, "ParameterApplyStatus": "in-sync"}]
    of_replicas = {"orders-replica": ["behind"]}
    source = instance(ReadReplicaDBInstanceIdentifiers=["orders-replica"])
    encrypted = instance("encrypted", ReadReplicaDBInstanceIdentifiers=["orders-replica-encrypted"])
    obstacle = fence.group_cannot(
        FakeAws(
            *(
                instance(
                    name,
                    DBParameterGroups=groups,
                    ReadReplicaDBInstanceIdentifiers=of_replicas.get(name, []),
                )
                for name in users
            )
        ),
        group,
        source,
        encrypted,
    )
    assert obstacle is None if reason is None else reason in (obstacle or "")


def test_every_read_only_value_that_is_noted_can_be_put_back() -> None:
    for value, word in fence._WORDS.items():
        assert fence._VALUES[word] == ("0" if value == "OFF" else value)
    # Tag values allow letters, digits, blanks and _.:/=+-@ only.
    assert all(word.replace("-", "").isalpha() for word in fence._WORDS.values())


def test_a_managed_master_password_allows_no_replica_but_a_snapshot() -> None:
    source = instance(MasterUserSecret={"SecretArn": "arn"})
    sentence = refusal(preflight.password_allows_replica, plan(source=source))
    assert "RDS manages its master password in Secrets Manager, and AWS creates no replica" in sentence
    assert "method `offline`" in sentence
    assert passes(preflight.password_allows_replica, plan(method="offline", source=source))
    there = plan(source=source, encrypted=instance("orders-encrypted"))
    assert passes(preflight.password_allows_replica, there)


OPTED_OUT: dict[str, Any] = {"EngineLifecycleSupport": lifecycle.DISABLED}


@pytest.mark.parametrize(
    ("version", "today", "changes", "refused"),
    [
        ("8.0.41", date(2026, 7, 31), OPTED_OUT, False),
        ("8.0.41", date(2026, 8, 1), OPTED_OUT, True),
        ("8.0.41", date(2026, 8, 1), {}, False),
        ("5.7.44", date(2024, 2, 29), OPTED_OUT, False),
        ("5.7.44-rds.20240808", date(2024, 3, 1), OPTED_OUT, True),
        ("8.4.3", date(2028, 1, 1), OPTED_OUT, False),
    ],
)
def test_a_version_past_its_support_is_refused_to_those_who_opted_out(
    version: str, today: date, changes: dict[str, Any], *, refused: bool
) -> None:
    finding = preflight.not_restorable(instance(EngineVersion=version, **changes), today)
    assert (finding is not None) is refused
    if finding is not None:
        assert "has opted out of RDS Extended Support" in str(finding)
        assert "Upgrade it to MySQL 8.4 first, or enroll it" in str(finding)


def test_the_restore_is_judged_until_there_is_an_encrypted_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "today", lambda: date(2026, 8, 1))
    source = instance(**OPTED_OUT)
    assert "standard support of MySQL 8.0 ended on 2026-07-31" in refusal(
        preflight.restorable, plan(source=source)
    )
    assert passes(preflight.restorable, plan(source=source, encrypted=instance("orders-encrypted")))


def tagged(own: int, **more: str) -> Any:
    return instance(tags={**{f"team:{number}": "x" for number in range(own)}, **more})


def test_more_tags_than_the_journal_leaves_room_for_are_refused() -> None:
    room = tag_limit.LIMIT - len(tag_limit.ON_SOURCE)
    assert refusal(preflight.tags_fit, plan(source=tagged(47))) == (
        f"orders: it has 47 tags; rds-encrypt adds up to {len(tag_limit.ON_SOURCE)}, and AWS allows 50 per resource."
        f" Remove at least {47 - room} for the duration of the migration."
    )
    assert passes(preflight.tags_fit, plan(source=tagged(room)))
    assert not passes(preflight.tags_fit, plan(source=tagged(room + 1)))


def test_aws_own_tags_and_the_journals_do_not_count_twice() -> None:
    room = tag_limit.LIMIT - len(tag_limit.ON_SOURCE)
    source = tagged(room, **{"aws:cloudformation:stack-name": "x", Tag.OWNER: "a", Tag.BACKEND: "b"})
    assert passes(preflight.tags_fit, plan(source=source))


def test_every_tag_that_the_source_may_carry_is_counted() -> None:
    """``journal`` says of each tag where it may be; the primary, and the one that takes the name, may be the source."""
    assert {
        Tag.OWNER,
        Tag.PARTNER,
        Tag.FENCE_BEFORE,
        Tag.LOCKED_BEFORE,
    } <= tag_limit.ON_SOURCE
    assert {Tag.PROMOTED_AT, Tag.SERVER, Tag.RELEASE} <= tag_limit.ON_SOURCE
    elsewhere = {
        Tag.CUTOVER_BEGAN,
        Tag.OPENED,
        Tag.ROLLBACK_BEGAN,
        Tag.ROLLED_BACK,
        Tag.COORDINATES,
        Tag.COPY_SLOT,
    }
    assert elsewhere.isdisjoint(tag_limit.ON_SOURCE)
    assert set(KEYS) > tag_limit.ON_SOURCE
    assert len(KEYS) == len(set(KEYS))


@pytest.mark.parametrize("check", [check.run for check in AWS if check.scope is Scope.EVERY_RUN])
def test_nothing_about_the_old_instance_stops_a_clean_up(check: AwsCheck) -> None:
    """Its owner may have changed it since: nothing is made from it any more."""
    source = instance(
        "orders-old",
        tags={Tag.MIGRATION: "db-ORDERS", **{f"team:{number}": "x" for number in range(47)}},
        DbiResourceId="db-ORDERS",
        EngineVersion="9.1.0",
        DBInstanceClass="db.t2.micro",
        BackupRetentionPeriod=0,
        MasterUserSecret={"SecretArn": "arn"},
        AssociatedRoles=[{"RoleArn": "arn"}],
        **OPTED_OUT,
    )
    assert passes(check, plan("cleanup", source=source, encrypted=instance("orders", tags=DONE)))


GONE = "the old instance was deleted"


@pytest.mark.parametrize(
    ("source", "tags", "reason"),
    [
        (instance("orders-old"), {**DONE, Tag.ROLLBACK_LOST: "binlogs are purged"}, "binlogs are purged"),
        (instance("orders-old", DBInstanceStatus="deleting"), DONE, GONE),
    ],
)
def test_a_rollback_that_is_lost_is_refused_with_the_reason_and_what_works(
    source: Any, tags: dict[str, str], reason: str
) -> None:
    sentence = refusal(
        of_phase.phase_follows, plan("rollback", source=source, encrypted=instance("orders", tags=tags))
    )
    assert (
        f"rollback is no longer possible, because {reason}. Set `phase` to `cleanup` or `cutover`" in sentence
    )
    cleanup = plan("cleanup", source=source, encrypted=instance("orders", tags=tags))
    for check in (of_phase.no_cutover_under_way, of_phase.phase_follows):
        assert passes(check, cleanup)


def test_with_the_source_gone_in_mid_cutover_cleanup_completes_it() -> None:
    topology = Topology(
        NAMES, None, instance("orders-encrypted", tags={**CUTOVER_BEGAN, Tag.MIGRATION: "db-ORDERS"})
    )
    for check in (of_phase.no_cutover_under_way, of_phase.phase_follows):
        assert passes(check, Plan("cleanup", "online", topology))
    for phase in ("replicate", "rollback", "cutover"):
        sentence = refusal(of_phase.no_cutover_under_way, Plan(phase, "online", topology))
        assert "Set `phase` to `cleanup`" in sentence


def test_back_in_replicate_the_fence_of_method_offline_is_lifted_if_its_step_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step is in the state once there is a snapshot; one killed before that is not, and nothing would lift its fence."""
    fenced = Plan("replicate", "offline", Topology(NAMES, instance(tags={Tag.FENCE_BEFORE: "default"}), None))
    there: dict[str, Snapshot] = {}
    monkeypatch.setattr(AccountInventory, "snapshots", lambda _self, _names: there)
    assert "Set `phase` to `cutover`" in refusal(of_phase.no_cutover_under_way, fenced)
    there[NAMES.replica] = Snapshot("creating", {})
    assert passes(of_phase.no_cutover_under_way, fenced)


FENCED: dict[str, str] = {Tag.FENCE_BEFORE: "default"}


def test_a_rollback_does_not_pass_over_the_fence_of_a_second_cutover() -> None:
    """The tags still say that the first one was rolled back: the step would find its work done, and forget the fence."""
    back: dict[str, str] = {Tag.ROLLED_BACK: "3"}
    again = Topology(NAMES, instance(tags=FENCED), instance("orders-encrypted", tags=back))
    sentence = refusal(of_phase.no_cutover_under_way, Plan("rollback", "online", again))
    assert "the source is still fenced" in sentence
    assert "Set `phase` to `cutover`" in sentence
    # That of a rollback in place, killed between its last tags: it has opened the source.
    left = instance("orders-encrypted", tags={**back, Tag.CUTOVER_BEGAN: "1", Tag.ROLLBACK_BEGAN: "2"})
    last = Topology(NAMES, instance(tags=FENCED), left)
    assert passes(of_phase.no_cutover_under_way, Plan("rollback", "online", last))
    assert "Set `phase` to `rollback`" in refusal(
        of_phase.no_cutover_under_way, Plan("replicate", "online", last)
    )
    # Killed before it could note that it had: the source is open, which is all that shows it.
    noted = instance(
        "orders-encrypted", tags={Tag.CUTOVER_BEGAN: "1", Tag.OPENED: "1", Tag.ROLLBACK_BEGAN: "2"}
    )
    open_again = Topology(NAMES, instance(tags=FENCED), noted, position=Position.SOURCE)
    for check in (of_phase.no_cutover_under_way, of_phase.phase_follows):
        assert passes(check, Plan("rollback", "online", open_again))


@pytest.mark.parametrize(
    ("source", "encrypted", "began"),
    [
        ({Tag.ATTACHED: "db-E"}, {}, "online"),
        ({Tag.ATTACHED: "db-E", **FENCED}, {}, "online"),
        (FENCED, None, "offline"),
        ({}, {Tag.COORDINATES: "b.000001:4"}, "offline"),
        ({}, {Tag.COORDINATES: "b.000001:4", **DONE}, "offline"),
    ],
)
def test_the_method_stays_what_it_was(
    source: dict[str, str], encrypted: dict[str, str] | None, began: Method
) -> None:
    copy = instance("orders-encrypted", tags=encrypted) if encrypted is not None else None
    topology = Topology(NAMES, instance(tags=source), copy)
    other: Method = "offline" if began == "online" else "online"
    phases: tuple[Phase, ...] = ("replicate", "cutover")
    for phase in phases:
        assert passes(of_phase.method_kept, Plan(phase, began, topology))
        sentence = refusal(of_phase.method_kept, Plan(phase, other, topology))
        assert f"Set `method` back to `{began}`" in sentence
    assert passes(of_phase.method_kept, Plan("cleanup", other, topology))


def test_method_offline_has_no_rollback() -> None:
    assert "has no rollback path" in refusal(of_phase.method_kept, plan("rollback", "offline"))


@pytest.mark.parametrize("phase", ["replicate", "cutover", "rollback"])
def test_no_phase_follows_cleanup(phase: Phase) -> None:
    ended = instance("orders", tags={**DONE, Tag.ROLLBACK_LOST: ENDED})
    topology = Topology(NAMES, instance("orders-old", tags={Tag.OWNER: "a/b"}), ended)
    sentence = refusal(of_phase.phase_follows, Plan(phase, "online", topology))
    assert "Set `phase` to `cleanup`" in sentence
    assert "`cutover`;" not in sentence
    assert passes(of_phase.phase_follows, Plan("cleanup", "online", topology))


def test_what_else_blocks_behind_a_fence_says_that_production_is_read_only() -> None:
    source = instance(tags={Tag.ATTACHED: "db-E", **FENCED}, BackupRetentionPeriod=0)
    behind = plan("cutover", source=source, encrypted=instance("orders-encrypted"))
    context = CheckContext(FakeAws(), AccountInventory(FakeAws()), behind)
    told = [str(finding) for finding in run.obstacles(context)]
    (backups,) = [sentence for sentence in told if "backup retention period is 0" in sentence]
    assert backups.endswith(
        "Production refuses writes meanwhile; `pulumi destroy` makes it writable and ends the migration."
    )


def test_the_fence_is_not_asked_for_while_it_is_closed() -> None:
    """The run that this would refuse lifts it first, and then checks again."""
    source = instance(
        tags={Tag.ATTACHED: "db-E", **FENCED},
        DBParameterGroups=[{"DBParameterGroupName": "default.mysql8.0"}],
    )
    in_place = replace(plan("cutover", source=source), strategy=InPlace())
    assert passes(preflight.fence_possible, in_place)
    unfenced = replace(
        plan("cutover", source=instance(DBParameterGroups=source.description["DBParameterGroups"])),
        strategy=InPlace(),
    )
    assert "AWS's default" in refusal(preflight.fence_possible, unfenced)


@pytest.mark.parametrize("phase", ["replicate", "cutover", "cleanup"])
def test_a_rollback_that_died_behind_its_fence_goes_on_or_is_called_off_before_anything_else(
    phase: Any,
) -> None:
    tags = {**DONE, Tag.FENCE_BEFORE: "default"}
    topology = Topology(NAMES, instance("orders-old"), instance("orders", tags=tags))
    sentence = refusal(of_phase.no_cutover_under_way, Plan(phase, "online", topology))
    assert "a rollback was interrupted, and production is still read-only" in sentence
    assert "Set `phase` to `rollback` and run `pulumi up`" in sentence
    assert passes(of_phase.no_cutover_under_way, Plan("rollback", "online", topology))
    lost = Topology(NAMES, None, instance("orders", tags=tags))
    sentence = refusal(of_phase.no_cutover_under_way, Plan(phase, "online", lost))
    assert "Run `pulumi destroy`, which makes production writable and keeps it" in sentence
    # Killed between the last two tags of a cutover in place, after an earlier rollback.
    complete = instance("orders-encrypted", tags={**tags, Tag.PROMOTED_AT: "b.000001:4"})
    ends = Plan("cutover", "online", Topology(NAMES, instance(), complete))
    assert passes(of_phase.no_cutover_under_way, ends)


@pytest.mark.parametrize(
    ("tags", "phase", "began", "strategy"),
    [
        (CUTOVER_BEGAN, "cutover", "rename", InPlace()),
        (CUTOVER_BEGAN, "cutover", "dns", Rename()),
        (DONE, "rollback", "rename", InPlace()),
        (DONE, "rollback", "none", Rename()),
    ],
)
def test_only_a_like_strategy_completes_a_move_or_undoes_it(
    tags: dict[str, str], phase: Any, began: str, strategy: Any
) -> None:
    topology = Topology(NAMES, instance(), instance("orders-encrypted", tags={**tags, Tag.STRATEGY: began}))
    sentence = refusal(of_phase.no_cutover_under_way, Plan(phase, "online", topology, strategy))
    assert f"Set `cutover.strategy` back to `{began}`" in sentence
    if phase == "rollback":
        assert passes(of_phase.no_cutover_under_way, Plan("cleanup", "online", topology, strategy))
    like = Rename() if began == "rename" else InPlace()
    assert passes(of_phase.no_cutover_under_way, Plan(phase, "online", topology, like))


def test_with_the_source_gone_in_mid_rollback_the_way_out_is_by_hand_and_then_cleanup() -> None:
    complete: dict[str, str] = {
        Tag.ROLE: "encrypted",
        Tag.MIGRATION: "db-ORDERS",
        Tag.CUTOVER_BEGAN: "1",
        Tag.OPENED: "2",
    }
    begun = Topology(NAMES, None, instance("orders-encrypted", tags={**complete, Tag.ROLLBACK_BEGAN: "3"}))
    for phase in ("replicate", "cutover", "rollback", "cleanup"):
        sentence = refusal(of_phase.no_cutover_under_way, Plan(phase, "online", begun))
        assert "the source that was to take the name back no longer exists" in sentence
        assert "docs/runbook.md, *The source is gone, or the encrypted one*" in sentence
    by_hand = Plan("cleanup", "online", Topology(NAMES, None, instance("orders", tags=complete)))
    for check in (of_phase.no_cutover_under_way, of_phase.phase_follows):
        assert passes(check, by_hand)


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ({Tag.BACKEND: "b"}, "in a version before 0.1.0, and this one does not know its tags"),
        (
            {Tag.BACKEND: "b", Tag.WRITTEN_BY: "0.2.0"},
            "rds-encrypt 0.2.0 runs this migration, and this is 0.1.0",
        ),
        ({Tag.BACKEND: "b", Tag.WRITTEN_BY: "1.0.0"}, "rds-encrypt 1.0.0 runs this migration"),
    ],
)
def test_a_migration_of_a_version_that_this_one_does_not_know_is_refused(
    tags: dict[str, str], sentence: str
) -> None:
    assert sentence in refusal(preflight.version_known, plan(source=instance(tags=tags)))


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {Tag.BACKEND: "b", Tag.WRITTEN_BY: VERSION},
        {Tag.BACKEND: "b", Tag.WRITTEN_BY: "0.1.9"},
    ],
)
def test_a_migration_of_this_version_goes_on(tags: dict[str, str]) -> None:
    assert passes(preflight.version_known, plan(source=instance(tags=tags)))
