"""Checks of the source's read replicas: which come along, which stay, and whether their counterparts are like them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rds_encrypt.aws import dns_records
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.check import Finding
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.journal import Role, belongs
from rds_encrypt.mysql import channel
from rds_encrypt.names import LONGEST
from rds_encrypt.replica_pairs import PROMOTED, ReplicaPair
from rds_encrypt.settings_diff import differences

__all__ = ["delayed", "names_work", "replicas"]


def replicas(context: CheckContext) -> Iterator[Finding]:
    """Which replicas come along and what that means, which stay and why, and which keys of the config fit no replica."""
    yield from _coming(context)
    for pair in context.plan.replicas:
        yield from _of_pair(context, pair)
    yield from _staying(context)
    yield from _misnamed(context)


def names_work(context: CheckContext) -> Iterator[Finding]:
    """Each replica that comes along can get its names, has no counterpart that has stopped following or cannot be followed, and is not
    between two strategies.
    """
    pairs = context.plan.replicas
    names = [name for pair in pairs for name in (pair.names.encrypted, pair.name)]
    there = Instances(context.aws).named(names) if names else {}
    for pair in pairs:
        leave = f"set `replicas.overrides` to `{{{pair.name}: leave}}`"
        longest = max(pair.names.encrypted, pair.names.old, key=len)
        if pair.encrypted is None and len(longest) > LONGEST:
            yield context.blocking(
                f"`{longest}` would have {len(longest)} characters, but RDS allows {LONGEST}",
                where=pair.name,
                fix=f"Rename the replica, or {leave}",
            )
        yield from _renamed_by_owner(context, pair, there, leave)
        for lone in _independent_now(pair, there) if pair.encrypted is None else ():
            yield context.blocking(
                "it is no longer a replica, so its data does not change",
                where=lone.identifier,
                fix=f"Delete it, then run `pulumi refresh` and `pulumi up`, which makes another; or {leave}",
                safe="Production is not affected",
            )
        if pair.encrypted is None and pair.above is not None:
            yield from _can_have_replicas(context, pair, pair.above.encrypted)
        if not context.name_moves and context.plan.phase != "cleanup" and pair.at_name(encrypted=True):
            yield context.blocking(
                f"its readers have moved with the name, which strategy `{context.plan.strategy.name}` does not move back",
                where=pair.name,
                fix="Set `cutover.strategy` back to `rename`",
                safe="Nothing was changed",
            )


def _renamed_by_owner(
    context: CheckContext, pair: ReplicaPair, there: Mapping[str, Instance], leave: str
) -> Iterator[Finding]:
    """Find what its owner did to a replica after it got its counterpart: another name, another source, or another replica of its name."""
    if not context.name_moves:
        return
    original, holder = pair.original, there.get(pair.name)
    safe = "Nothing was changed"
    if original is not None and original.identifier not in {pair.name, pair.names.old}:
        yield context.blocking(
            f"its name was {pair.name} when it got its encrypted counterpart",
            where=original.identifier,
            fix=f"Rename it back, or {leave}",
            safe=safe,
        )
    if pair.encrypted is None or holder is None or holder.resource_id == pair.encrypted.resource_id:
        return
    if holder.resource_id != pair.original_id:
        yield context.blocking(
            f"another instance has this name by now, and {pair.encrypted.identifier} was made to take it over",
            where=pair.name,
            fix=f"Until the cutover, delete {pair.encrypted.identifier} and run `pulumi refresh`: `pulumi up` then makes another; after it,"
            f" {leave}",
            safe=safe,
        )
    elif holder.replica_of is None:
        yield context.blocking(
            PROMOTED,
            where=pair.name,
            fix=f"{leave[0].upper()}{leave[1:]}, which leaves it as it is",
            safe=safe,
        )


def _independent_now(pair: ReplicaPair, there: Mapping[str, Instance]) -> Iterator[Instance]:
    """Find the lost counterpart of a pair: RDS made it an instance of its own when its source was deleted."""
    lost = there.get(pair.names.encrypted)
    if lost is not None and lost.replica_of is None:
        yield lost
    lost = there.get(pair.name)
    if lost is not None and lost.replica_of is None and belongs(lost.tags, Role.ENCRYPTED_REPLICA):
        yield lost


def _can_have_replicas(context: CheckContext, pair: ReplicaPair, above: Instance | None) -> Iterator[Finding]:
    """RDS makes a replica only of an instance with automated backups, and gives a replica none; pulumi-aws adds them afterwards.

    Source: "Using cascading read replicas with RDS for MySQL", RDS User Guide.
    """
    if above is not None and above.retention_days == 0:
        days = (
            pair.above.original.retention_days
            if pair.above is not None and pair.above.original is not None
            else 0
        )
        yield context.blocking(
            f"it has no automated backups, without which RDS does not make {pair.names.encrypted}, a replica of it",
            where=above.identifier,
            fix=f"Once it is available, run `aws rds modify-db-instance --db-instance-identifier {above.identifier}"
            f" --backup-retention-period {max(days, 1)} --apply-immediately`, then `pulumi up` again; or set `replicas.overrides` to"
            f" `{{{pair.name}: leave}}`",
            safe="Nothing was changed",
        )


def delayed(context: CheckContext) -> Iterator[Finding]:
    """Replicas that lag behind on purpose: a counterpart cannot take that over, and a rollback would wait for it.

    Source: "Configuring delayed replication with MySQL", RDS User Guide.
    """
    for pair in context.plan.replicas:
        if context.access is None or pair.original is None or not pair.original.available:
            continue
        with context.access.session(pair.original) as session:
            status = channel.status(session)
        if status is not None and status.delay:
            yield context.blocking(
                f"it is a replica with a delay of {status.delay} s, which an encrypted counterpart cannot take over",
                where=pair.name,
                fix=f"Set `replicas.overrides` to `{{{pair.name}: leave}}`, or end the delay (CALL mysql.rds_set_source_delay(0))",
                safe="Nothing was changed",
            )


def _coming(context: CheckContext) -> Iterator[Finding]:
    pairs, when = context.plan.replicas, "after the source's cutover"
    if not pairs:
        return
    if context.plan.replica_settings.reads_first:
        when = "in phase `replicate`, before writers move"
    what = "takes over its name" if context.name_moves else "takes over its readers"
    pause = "; reads through that name pause for its rename" if context.name_moves else ""
    yield context.note(
        f"its replicas come along: {', '.join(map(_described, pairs))}",
        why=f"each gets an encrypted counterpart, which {what} {when}{pause}; AWS bills both until phase `cleanup`",
    )


def _described(pair: ReplicaPair) -> str:
    return pair.name if pair.above is None else f"{pair.name} (a replica of {pair.above.name})"


def _of_pair(context: CheckContext, pair: ReplicaPair) -> Iterator[Finding]:
    if pair.original is None:
        return
    along = {member.identifier for other in context.plan.replicas for member in other.members}
    if staying := [name for name in pair.original.replicas if name not in along]:
        becomes = f", as `{pair.names.old}`" if context.name_moves else ""
        yield context.warning(
            f"its replica {_described(pair)} has replicas that do not come along: {', '.join(staying)}",
            why=f"they stay with the unencrypted replica{becomes}, which `cleanup` does not delete while it has them",
            fix=f"After the cutover, create new replicas of `{pair.name}`, and delete these before `cleanup`",
        )
    if pair.encrypted is not None and (unlike := _unlike(pair)):
        yield context.warning(
            f"{pair.encrypted.identifier} is not like {pair.original.identifier}: {'; '.join(unlike)}",
            why="readers would notice once it serves them",
            fix=f"Modify {pair.encrypted.identifier}, or change {pair.original.identifier} back",
        )
    record = context.plan.replica_settings.records.get(pair.name)
    if record is None:
        if not context.name_moves:
            yield context.note(
                f"nothing moves the readers of {pair.name}",
                why="with this strategy it keeps its name",
                fix=f"Give it a record (`replicas.records`), or point its readers at {pair.names.encrypted} after the cutover",
            )
        return
    addresses = [instance.address for instance in (pair.original, pair.encrypted) if instance is not None]
    try:
        target = dns_records.target(context.aws, record)
    except PreconditionFailed as error:
        yield context.warning(f"{error.where}: {error.what}", why="it is to move the readers", fix=error.fix)
        return
    if target not in addresses:
        yield context.warning(
            f"the record {record.record} points at {target}, not at its replica {pair.name}",
            why="rds-encrypt points it at the encrypted counterpart once that takes over, and back at this replica",
            fix="Correct `replicas.records`, or the record",
        )


def _unlike(pair: ReplicaPair) -> list[str]:
    """Return the settings in which the counterpart differs, except what follows from whose replica it is."""
    if pair.original is None or pair.encrypted is None:
        return []
    unlike = [
        str(difference)
        for difference in differences(pair.original, pair.encrypted)
        if difference.setting != "ReadReplicaSourceDBInstanceIdentifier"
    ]
    ours, theirs = pair.original.parameter_group, pair.encrypted.parameter_group
    if ours != theirs:
        unlike.append(f"its parameter group is {theirs!r} instead of {ours!r}")
    return unlike


def _staying(context: CheckContext) -> Iterator[Finding]:
    """Replicas stay with their source, not with its name, unless they come along."""
    names, pairs = context.plan.topology.names, context.plan.replicas
    known = {names.replica, *(member.identifier for pair in pairs for member in pair.members)}
    others = [name for name in context.source.replicas if name not in known]
    if not others:
        return
    becomes = f"under its name `{names.old}`" if context.name_moves else "as it is"
    far = (
        " Those in other regions, shown as ARNs, cannot come along."
        if any(":" in name for name in others)
        else ""
    )
    yield context.warning(
        f"it has replicas that do not come along: {', '.join(_with_their_own(context, others))}",
        why=(
            f"they stay with the unencrypted instance {becomes}, and are unencrypted too; after the cutover they get"
            f" writes only until phase `cleanup`, which cannot stop an instance that has replicas.{far}".rstrip(
                "."
            )
        ),
        fix=f"After the cutover, create new replicas of `{context.name}`, move readers there, and delete these before `cleanup`",
    )


def _with_their_own(context: CheckContext, names: list[str]) -> list[str]:
    """Return these replicas with the replicas that stay with them."""
    there = Instances(context.aws).named(name for name in names if ":" not in name)
    own = {name: there[name].replicas if name in there else [] for name in names}
    return [f"{name} (with its own: {', '.join(own[name])})" if own[name] else name for name in names]


def _misnamed(context: CheckContext) -> Iterator[Finding]:
    """Keys of the config that fit no replica; one that was deleted meanwhile is no mistake."""
    settings, pairs = context.plan.replica_settings, context.plan.replicas
    of_pairs = {
        name for pair in pairs if pair.above is None for member in pair.members for name in member.replicas
    }
    known = {*context.source.replicas, *of_pairs, *(pair.name for pair in pairs)}
    for key, given in (("overrides", settings.overrides), ("records", settings.records)):
        for name in sorted(given.keys() - known):
            yield context.warning(
                f"`replicas.{key}` names {name}, which is not a replica of it, nor of a replica that comes along",
                why="it has no effect",
                fix="Correct the name, or remove the key",
            )
