"""Checks of the phase and the source before anything is touched, in every run: what blocks the phase."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from rds_encrypt import lifecycle, tag_limit
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.check import Finding, Severity
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.cutover.fence import group_cannot
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.dialect import SUPPORTED
from rds_encrypt.version import VERSION, newer

__all__ = [
    "backups_on",
    "class_encrypts",
    "engine_supported",
    "fence_possible",
    "names_free",
    "password_allows_replica",
    "restorable",
    "snapshots_usable",
    "stands_alone",
    "tags_fit",
    "version_known",
]

_NO_ENCRYPTION = ("db.m1.", "db.m2.", "db.t2.micro")
"""Classes whose storage cannot be encrypted ("Encrypting Amazon RDS resources", Amazon RDS User Guide)."""


def version_known(context: CheckContext) -> Iterator[Finding]:
    """This version knows the tags that another one has written."""
    source = context.topology.source
    if source is None or Tag.BACKEND not in source.tags:
        return
    version = source.tags.get(Tag.WRITTEN_BY)
    if version is None:
        what = f"rds-encrypt began this migration in a version before {VERSION}, and this one does not know its tags"
        fix = "Complete the migration, or run `pulumi destroy`, with the checkout that began it"
    elif newer(version):
        what = f"rds-encrypt {version} runs this migration, and this is {VERSION}"
        fix = f"Use rds-encrypt {version} or a later one"
    else:
        return
    yield context.blocking(what, where=source.identifier, fix=fix, safe="Nothing was changed")


def names_free(context: CheckContext) -> Iterator[Finding]:
    """No other instance has a name that the migration will give."""
    names = context.topology.names
    for name, instance in {**context.topology.listed, **_at_names_of_replicas(context)}.items():
        if name == names.source:
            continue
        if instance.tags.get(Tag.MIGRATION) != context.topology.source_id:
            yield context.blocking(
                f"an instance with this name exists, but not from this migration of {names.source}",
                where=name,
                fix="Rename or delete it first: the migration needs the name",
            )
            return


def _at_names_of_replicas(context: CheckContext) -> dict[str, Instance]:
    """Return the instances that have a name that the replicas which come along will have, without these replicas."""
    pairs = context.plan.replicas
    names = [name for pair in pairs for name in (pair.names.encrypted, pair.names.old)]
    originals = {pair.original_id for pair in pairs}
    listed = Instances(context.aws).named(names) if names else {}
    return {name: instance for name, instance in listed.items() if instance.resource_id not in originals}


def snapshots_usable(context: CheckContext) -> Iterator[Finding]:
    """No snapshot of ours has failed: the engine would adopt it, and RDS cannot restore from it."""
    names = context.topology.names
    if context.topology.encrypted is not None:
        return
    for name, snapshot in context.around.snapshots((names.replica, names.encrypted)).items():
        if snapshot.status == "failed":
            yield context.blocking(
                "this snapshot has failed, so nothing can be restored from it",
                where=name,
                fix="See why in the RDS console (often its KMS key); then run"
                f" `aws rds delete-db-snapshot --db-snapshot-identifier {name}`, `pulumi refresh` and `pulumi up`",
                safe="The source is untouched",
            )
            return


def engine_supported(context: CheckContext) -> Iterator[Finding]:
    """The engine is MySQL of a supported version."""
    source = _ahead(context)
    if source is None:
        return
    engine, version = str(source.description["Engine"]), str(source.description["EngineVersion"])
    series = ".".join(version.split(".")[:2])
    if engine == "mysql" and series in SUPPORTED:
        return
    yield context.blocking(
        f"its engine is {engine} {version}",
        where=source.identifier,
        fix=f"rds-encrypt migrates only MySQL {', '.join(SUPPORTED)}; remove it from `sources`",
    )


def class_encrypts(context: CheckContext) -> Iterator[Finding]:
    """The instance class supports encrypted storage."""
    source = _ahead(context)
    if source is None or not str(source.description["DBInstanceClass"]).startswith(_NO_ENCRYPTION):
        return
    yield context.blocking(
        f"class {source.description['DBInstanceClass']} does not support encrypted storage",
        where=source.identifier,
        fix="First change it to a class that does, such as db.t3.small",
    )


def backups_on(context: CheckContext) -> Iterator[Finding]:
    """Automated backups are on, without which RDS writes no binlog."""
    source = _ahead(context)
    if source is None or source.retention_days > 0:
        return
    yield context.blocking(
        "its backup retention period is 0, so RDS writes no binlog and nothing can replicate from it",
        where=source.identifier,
        fix="Set the retention period to at least 1 day (that suspends I/O for a moment)",
    )


def stands_alone(context: CheckContext) -> Iterator[Finding]:
    """The source is a plain instance: no replica, no cluster member, no IAM roles, no directory."""
    source = _ahead(context)
    if source is None:
        return
    if origin := source.replica_of:
        what, fix = f"it is itself a replica of {origin}", "Migrate its source, then create the replica again"
    elif cluster := source.description.get("DBClusterIdentifier"):
        what, fix = (
            f"it belongs to cluster {cluster}",
            "rds-encrypt migrates only single instances; remove it from `sources`",
        )
    elif roles := source.description.get("AssociatedRoles"):
        what = f"it has {len(roles)} IAM role(s) associated, which a restored instance does not get"
        fix = "Remove them for the duration of the migration"
    elif domains := source.description.get("DomainMemberships"):
        what = (
            f"it belongs to the directory {domains[0].get('Domain')}, which a restored instance does not join"
        )
        fix = "Leave it (`aws rds modify-db-instance --disable-domain`), and let the encrypted instance join after the cutover"
    else:
        return
    yield context.blocking(what, where=source.identifier, fix=fix)


def password_allows_replica(context: CheckContext) -> Iterator[Finding]:
    """AWS creates a replica of the source, which it refuses where RDS manages the master password.

    Source: AWS's refusal "Creating read replicas for source instance with engine mysql where ManageMasterUserPassword is enabled
    is not supported", as quoted in public issues. AWS does not refuse a restore from a snapshot, so method `offline` works.
    """
    source = _ahead(context)
    if (
        source is None
        or context.plan.method != "online"
        or context.topology.replica is not None
        or context.topology.encrypted is not None
        or not source.description.get("MasterUserSecret")
    ):
        return
    yield context.blocking(
        "RDS manages its master password in Secrets Manager, and AWS creates no replica of such an instance",
        where=source.identifier,
        fix="Set your own master password for the duration of the migration (`aws rds modify-db-instance"
        " --no-manage-master-user-password --master-user-password …`), or use method `offline`, which needs no replica, but stops writes"
        " while the copy is made",
    )


def restorable(context: CheckContext) -> Iterator[Finding]:
    """AWS restores a snapshot of this MySQL version as it is."""
    source = _ahead(context)
    if source is None or context.topology.encrypted is not None:
        return
    if finding := not_restorable(source, lifecycle.today()):
        yield finding


def not_restorable(source: Instance, today: date) -> Finding | None:
    """Return why AWS would not restore this source with its version, ``None`` if it does."""
    ended = lifecycle.extended_support(source, today)
    if ended is None or not lifecycle.opted_out(source):
        return None
    series, day = ended
    return Finding(
        Severity.BLOCKING,
        f"standard support of MySQL {series} ended on {day}, and the instance has opted out of RDS Extended Support"
        f" (EngineLifecycleSupport is {lifecycle.DISABLED}), so AWS would not restore it with this version",
        where=source.identifier,
        fix="Upgrade it to MySQL 8.4 first, or enroll it (`aws rds modify-db-instance --db-instance-identifier"
        f" {source.identifier} --engine-lifecycle-support open-source-rds-extended-support`): AWS bills Extended Support then",
    )


def tags_fit(context: CheckContext) -> Iterator[Finding]:
    """The journal's tags fit on the source alongside its owner's."""
    source = _ahead(context)
    if source is None or (excess := tag_limit.excess(source.tags)) == 0:
        return
    yield context.blocking(
        f"it has {tag_limit.owned(source.tags)} tags; rds-encrypt adds up to {len(tag_limit.ON_SOURCE)}, and AWS allows"
        f" {tag_limit.LIMIT} per resource",
        where=source.identifier,
        fix=f"Remove at least {excess} for the duration of the migration",
    )


def fence_possible(context: CheckContext) -> Iterator[Finding]:
    """The source's parameter group can carry the fence, where locked accounts cannot; checked until the names have moved.

    Not behind an online cutover's fence: the run that would be refused is the one that lifts it, and then checks this again.
    """
    source, state = context.topology.source, context.topology.state
    if source is None or state.cutover_begun or context.may_lock_accounts:
        return
    if state.fenced and context.plan.method == "online":
        return
    reason = group_cannot(context.aws, source.parameter_group, source, context.topology.encrypted)
    if reason is None:
        return
    yield context.blocking(
        f"the cutover could not fence writes: {reason}",
        where=source.identifier,
        fix="Give the instance its own parameter group and reboot it once, in a maintenance window"
        " (with method `online` and strategy `rename`, rds-encrypt can lock accounts instead)",
    )


def _ahead(context: CheckContext) -> Instance | None:
    """Return the source until its cutover begins; after that its state must not block a cleanup."""
    ahead = context.plan.phase in {"replicate", "cutover"} and not context.topology.state.cutover_begun
    return context.topology.source if ahead else None
