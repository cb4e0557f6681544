"""The checks that run before anything is touched: each returns one sentence on what blocks the phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from rds_encrypt import journal, lifecycle, tag_limit
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.cutover import fence
from rds_encrypt.discovery import Topology
from rds_encrypt.mysql.dialect import SUPPORTED
from rds_encrypt.phases import Method, Phase
from rds_encrypt.version import VERSION, newer

__all__ = ["CHECKS", "Plan", "findings"]

_NO_ENCRYPTION = ("db.m1.", "db.m2.", "db.t2.micro")
"""Classes whose storage cannot be encrypted ("Encrypting Amazon RDS resources", Amazon RDS User Guide)."""


@dataclass(frozen=True)
class Plan:
    """The plan for a source: phase, method, how applications move, and the key's ARN, if it is known."""

    phase: Phase
    method: Method
    topology: Topology
    strategy: str = "rename"
    key: str = ""


Check = Callable[[AccountInventory, Plan], PreconditionFailed | None]


def findings(around: AccountInventory, plan: Plan) -> list[PreconditionFailed]:
    """Run all checks at the same time; return what blocks the plan, in the order of ``CHECKS``."""
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        return [found for found in pool.map(lambda check: check(around, plan), CHECKS) if found is not None]


def version_known(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """This version knows the tags that another one has written."""
    source = plan.topology.source
    if source is None or journal.BACKEND not in source.tags:
        return None
    version = source.tags.get(journal.WRITTEN_BY)
    if version is None:
        what = f"rds-encrypt began this migration in a version before {VERSION}, and this one does not know its tags"
        fix = "Complete the migration, or run `pulumi destroy`, with the checkout that began it"
    elif newer(version):
        what = f"rds-encrypt {version} runs this migration, and this is {VERSION}"
        fix = f"Use rds-encrypt {version} or a later one"
    else:
        return None
    return PreconditionFailed(what, where=source.identifier, fix=fix, safe="Nothing was changed")


def no_cutover_under_way(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """No interrupted cutover or rollback must be completed, or undone, first."""
    topology, phase = plan.topology, plan.phase
    if topology.returning and phase != "rollback":
        what, way_out = "a rollback has begun and is not complete", "rollback"
    elif topology.cutover_begun and not topology.cut_over and phase != _ending(topology):
        what, way_out = "the cutover has begun and is not complete", _ending(topology)
    elif topology.fenced and phase == "replicate" and plan.method == "online":
        what, way_out = "a cutover was interrupted, and the source is still fenced", "cutover"
    else:
        return None
    return PreconditionFailed(
        what,
        where=topology.names.source,
        fix=f"Set `phase` to `{way_out}` and run `pulumi up`, which completes it, or undoes it if it can. If Pulumi says that the stack"
        " is locked, and no other run is under way, run `pulumi cancel` first",
        safe="No write is lost meanwhile",
    )


def _ending(topology: Topology) -> str:
    """Return the phase that ends a cutover under way: `cleanup` without the source, since phase `cutover` declares it."""
    return "cutover" if topology.source is not None else "cleanup"


def phase_follows(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """The phase follows the one that the source has reached."""
    topology, phase = plan.topology, plan.phase
    if phase == "replicate" and topology.cut_over:
        what = "the cutover is complete, so phase `replicate` is over"
        fix = "Set `phase` to `cleanup`, or to `rollback` to go back"
    elif phase == "cutover" and plan.method == "online" and topology.encrypted is None:
        what = "phase `cutover` needs an encrypted instance that replicates, and there is none"
        fix = "Set `phase` to `replicate` and run `pulumi up` first"
    elif phase == "rollback" and (reason := topology.rollback_lost):
        what = f"rollback is no longer possible, because {reason}"
        fix = "Set `phase` to `cleanup` or `cutover`; production stays as it is"
    elif phase == "rollback" and not topology.can_roll_back:
        what = "there is no cutover to roll back"
        fix = "Set `phase` to the one that the source is in, `replicate` or `cleanup`"
    elif (
        phase == "cleanup"
        and not topology.cut_over
        and not (topology.cutover_begun and topology.source is None)
    ):
        what = "phase `cleanup` needs the cutover to be complete, and it is not"
        fix = "Set `phase` to `cutover` and run `pulumi up` first"
    else:
        return None
    return PreconditionFailed(what, where=topology.names.source, fix=fix)


def names_free(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """No other instance has a name that the migration will give."""
    names = plan.topology.names
    for name in (names.replica, names.encrypted, names.old):
        found = plan.topology.listed.get(name)
        if found is not None and found.tags.get(journal.MIGRATION) != plan.topology.source_id:
            return PreconditionFailed(
                f"an instance with this name exists, but not from this migration of {names.source}",
                where=name,
                fix="Rename or delete it first: the migration needs the name",
            )
    return None


def snapshots_usable(around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """No snapshot of ours has failed: the engine would adopt it, and RDS cannot restore from it."""
    names = plan.topology.names
    if plan.topology.encrypted is not None:
        return None
    for name, found in around.snapshots((names.replica, names.encrypted)).items():
        if found.status == "failed":
            return PreconditionFailed(
                "this snapshot has failed, so nothing can be restored from it",
                where=name,
                fix="See why in the RDS console (often its KMS key); then run"
                f" `aws rds delete-db-snapshot --db-snapshot-identifier {name}`, `pulumi refresh` and `pulumi up`",
                safe="The source is untouched",
            )
    return None


def engine_supported(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """The engine is MySQL of a supported version."""
    source = _ahead(plan)
    if source is None:
        return None
    engine, version = str(source.description["Engine"]), str(source.description["EngineVersion"])
    series = ".".join(version.split(".")[:2])
    if engine == "mysql" and series in SUPPORTED:
        return None
    return PreconditionFailed(
        f"its engine is {engine} {version}",
        where=source.identifier,
        fix=f"rds-encrypt migrates only MySQL {', '.join(SUPPORTED)}; remove it from `sources`",
    )


def class_encrypts(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """The instance class supports encrypted storage."""
    source = _ahead(plan)
    if source is None or not str(source.description["DBInstanceClass"]).startswith(_NO_ENCRYPTION):
        return None
    return PreconditionFailed(
        f"class {source.description['DBInstanceClass']} does not support encrypted storage",
        where=source.identifier,
        fix="First change it to a class that does, such as db.t3.small",
    )


def backups_on(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """Automated backups are on, without which RDS writes no binlog."""
    source = _ahead(plan)
    if source is None or source.retention_days > 0:
        return None
    return PreconditionFailed(
        "its backup retention period is 0, so RDS writes no binlog and nothing can replicate from it",
        where=source.identifier,
        fix="Set the retention period to at least 1 day (that suspends I/O for a moment)",
    )


def stands_alone(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """The source is a plain instance: no replica, no cluster member, no IAM roles."""
    source = _ahead(plan)
    if source is None:
        return None
    if origin := source.description.get("ReadReplicaSourceDBInstanceIdentifier"):
        what, fix = f"it is itself a replica of {origin}", "Migrate its source, then create the replica again"
    elif cluster := source.description.get("DBClusterIdentifier"):
        what, fix = (
            f"it belongs to cluster {cluster}",
            "rds-encrypt migrates only single instances; remove it from `sources`",
        )
    elif roles := source.description.get("AssociatedRoles"):
        what = f"it has {len(roles)} IAM role(s) associated, which a restored instance does not get"
        fix = "Remove them for the duration of the migration"
    else:
        return None
    return PreconditionFailed(what, where=source.identifier, fix=fix)


def password_allows_replica(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """AWS creates a replica of the source, which it refuses where RDS manages the master password.

    Source: AWS's refusal "Creating read replicas for source instance with engine mysql where ManageMasterUserPassword is enabled
    is not supported", as quoted in public issues. AWS does not refuse a restore from a snapshot, so method `offline` works.
    """
    source = _ahead(plan)
    if (
        source is None
        or plan.method != "online"
        or plan.topology.replica is not None
        or plan.topology.encrypted is not None
        or not source.description.get("MasterUserSecret")
    ):
        return None
    return PreconditionFailed(
        "RDS manages its master password in Secrets Manager, and AWS creates no replica of such an instance",
        where=source.identifier,
        fix="Set your own master password for the duration of the migration (`aws rds modify-db-instance"
        " --no-manage-master-user-password --master-user-password …`), or use method `offline`, which needs no replica, but stops writes"
        " while the copy is made",
    )


def restorable(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """AWS restores a snapshot of this MySQL version as it is."""
    source = _ahead(plan)
    return (
        not_restorable(source, lifecycle.today())
        if source is not None and plan.topology.encrypted is None
        else None
    )


def not_restorable(source: Instance, today: date) -> PreconditionFailed | None:
    """Return why AWS would not restore this source with its version, ``None`` if it does."""
    ended = lifecycle.extended_support(source, today)
    if ended is None or not lifecycle.opted_out(source):
        return None
    series, day = ended
    return PreconditionFailed(
        f"standard support of MySQL {series} ended on {day}, and the instance has opted out of RDS Extended Support"
        f" (EngineLifecycleSupport is {lifecycle.DISABLED}), so AWS would not restore it with this version",
        where=source.identifier,
        fix="Upgrade it to MySQL 8.4 first, or enroll it (`aws rds modify-db-instance --db-instance-identifier"
        f" {source.identifier} --engine-lifecycle-support open-source-rds-extended-support`): AWS bills Extended Support then",
    )


def tags_fit(_around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """The journal's tags fit on the source beside its owner's."""
    source = _ahead(plan)
    if source is None or (excess := tag_limit.excess(source.tags)) == 0:
        return None
    return PreconditionFailed(
        f"it has {tag_limit.owned(source.tags)} tags; rds-encrypt adds up to {len(tag_limit.ON_SOURCE)}, and AWS allows"
        f" {tag_limit.LIMIT} per resource",
        where=source.identifier,
        fix=f"Remove at least {excess} for the duration of the migration",
    )


def fence_possible(around: AccountInventory, plan: Plan) -> PreconditionFailed | None:
    """The source's parameter group can carry the fence, where locked accounts cannot; checked until the names have moved."""
    source = plan.topology.source
    if source is None or plan.topology.cutover_begun or (plan.method, plan.strategy) == ("online", "rename"):
        return None
    reason = fence.group_cannot(around.aws, source.parameter_group, source)
    if reason is None:
        return None
    return PreconditionFailed(
        f"the cutover could not fence writes: {reason}",
        where=source.identifier,
        fix="Give the instance its own parameter group and reboot it once, in a maintenance window"
        " (with method `online` and strategy `rename`, rds-encrypt can lock accounts instead)",
    )


CHECKS: Sequence[Check] = (
    version_known,
    no_cutover_under_way,
    phase_follows,
    names_free,
    snapshots_usable,
    engine_supported,
    class_encrypts,
    backups_on,
    stands_alone,
    password_allows_replica,
    restorable,
    tags_fit,
    fence_possible,
)
"""All checks, in the order in which their findings are shown."""


def _ahead(plan: Plan) -> Instance | None:
    """Return the source until its cutover begins; after that its state must not block a cleanup."""
    ahead = plan.phase in {"replicate", "cutover"} and not plan.topology.cutover_begun
    return plan.topology.source if ahead else None
