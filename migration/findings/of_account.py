"""What the account around a source tells: names that are taken, quotas, and what points at the instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controlplane import metrics
from controlplane.instances import Instances
from controlplane.surroundings import ZONES
from migration import journal
from migration.cutover.guards import FREE_PERCENT
from migration.findings.finding import Finding
from migration.findings.scene import Look, Scene
from migration.needs import COUNTED

__all__ = ["OBSTACLES", "REMARKS", "REMINDERS"]

_COPIED_WITH_CARE = {"MEMCACHED"}
_LITTLE = 10
"""Percent of the storage."""


# What may stand in the way.


def snapshots_free(scene: Scene) -> Iterator[Finding]:
    """Nobody else has a snapshot with a name that the migration will give."""
    names = scene.plan.survey.names
    for name, found in scene.around.snapshots([names.replica, names.encrypted]).items():
        if found.tags.get(journal.MIGRATION) != scene.source.resource_id:
            yield scene.blocking(
                f"a snapshot of this name exists, and not by this migration of {scene.name}",
                where=name,
                fix="Delete it, or keep it under another name (`aws rds copy-db-snapshot`): the migration needs the name",
            )


def groups_free(scene: Scene) -> Iterator[Finding]:
    """Nobody else has a parameter group with a name that the migration will give."""
    names = scene.plan.survey.names
    ours = f"{scene.group}, {names.group_purpose}"
    for name in (names.encrypted, names.fence):
        found = scene.around.groups.get(name)
        if found is not None and found.purpose != ours:
            yield scene.blocking(
                f"a parameter group of this name exists, and not by this migration of {scene.name} ({found.purpose!r})",
                where=name,
                fix="Delete it, or copy it to another name first: the migration needs the name",
            )


def quotas(scene: Scene) -> Iterator[Finding]:
    """The account may have as much more as this source and those listed before it still make; what others make is told too."""
    upto = scene.needs[: 1 + [need.identifier for need in scene.needs].index(scene.name)]
    for name, what in COUNTED.items():
        quota = scene.around.quotas.get(name)
        if quota is None or quota.left >= sum(need.of(name) for need in upto):
            continue
        there = _there(scene, name)
        wanted = {need.identifier: need.of(name, there) for need in scene.needs}
        own = wanted[scene.name]
        if own == 0 or quota.left >= sum(wanted[need.identifier] for need in upto):
            continue
        several = sum(more > 0 for more in wanted.values())
        who = (
            f"{several} sources of this stack need {sum(wanted.values())} more, and with the {own} of this one it would be too many"
            if several > 1
            else f"this source needs {own} more"
        )
        yield scene.blocking(
            f"the account may have {quota.maximum} {what} and has {quota.used}, but {who}",
            fix=f"Delete what nobody needs, or ask AWS for a higher quota of {name}"
            f"{', or migrate fewer sources at a time' if several > 1 else ''}",
        )
    most = scene.around.quotas.get("ReadReplicasPerMaster")
    if (
        most is not None
        and scene.plan.mode == "replicate"
        and scene.plan.survey.replica is None
        and len(scene.source.replicas) >= most.maximum
    ):
        yield scene.blocking(
            f"it has {len(scene.source.replicas)} replicas already, and one instance may have {most.maximum}",
            fix="Delete one for the time of the migration, or ask AWS for a higher quota of ReadReplicasPerMaster",
        )


def options(scene: Scene) -> Iterator[Finding]:
    """The encrypted instance takes the option group along."""
    group = str(scene.source.description["OptionGroupMemberships"][0]["OptionGroupName"])
    if group.startswith("default:"):
        return
    found = scene.around.options(group)
    vpc = (scene.source.description.get("DBSubnetGroup") or {}).get("VpcId")
    bound = found.get("VpcId")
    if bound and vpc and bound != vpc:
        yield scene.blocking(
            f"its option group {group} is bound to {bound}, and the instance is in {vpc}",
            fix="Copy the option group and give the instance the copy",
        )
    names = [str(each.get("OptionName")) for each in found.get("Options", [])]
    if lasting := [each["OptionName"] for each in found.get("Options", []) if each.get("Permanent")]:
        yield scene.warning(
            f"its option group {group} has options that cannot be removed: {', '.join(lasting)}",
            why="an instance restored from its snapshot keeps them for ever, too",
        )
    if _COPIED_WITH_CARE & set(names):
        yield scene.warning(
            f"its option group {group} offers memcached",
            why="writes by that way are not stopped by the fence",
            fix="Stop its clients before the cut-over",
        )


OBSTACLES: tuple[Look, ...] = (snapshots_free, groups_free, quotas, options)
"""Asked whenever a copy is about to be made, at preview and at `up`."""


# What is good to know.


def fence_by_accounts(scene: Scene) -> Iterator[Finding]:
    """Which fence the source will get at the cut-over."""
    reason = scene.accounts_because
    if reason is not None:
        yield scene.note(
            f"at the cut-over, writes will be stopped by locking accounts, since {reason}",
            why="reads pause as well, and applications see refused logins",
            fix="If that is not wanted, give the instance a parameter group of its own and reboot it, before phase `replicate`",
        )


def proxies(scene: Scene) -> Iterator[Finding]:
    """RDS Proxies with the instance behind them."""
    found = sorted(each.proxy for each in scene.around.proxy_targets if each.identifier == scene.name)
    if not found:
        return
    after = f"names `{scene.plan.survey.names.old}`" if scene.name_moves else "still names the old instance"
    yield scene.warning(
        f"RDS Proxy has it as a target: {', '.join(found)}",
        why="AWS does not say whether a target follows the name or the instance",
        fix=f"Rehearse it. After the cut-over, see `aws rds describe-db-proxy-targets`; if it {after}, deregister that target"
        " and register the encrypted instance",
    )


def subscriptions(scene: Scene) -> Iterator[Finding]:
    """Event subscriptions that name the instance."""
    found = sorted(name for name, sources in scene.around.subscriptions.items() if scene.name in sources)
    if found:
        yield from _by_name(scene, f"event subscriptions name it: {', '.join(found)}")


def alarms(scene: Scene) -> Iterator[Finding]:
    """Alarms about the instance, by name or by identity."""
    found = scene.around.alarms
    if named := sorted(each.name for each in found if scene.name in each.identifiers):
        yield from _by_name(scene, f"CloudWatch alarms name it: {', '.join(named)}")
    if bound := sorted(each.name for each in found if scene.source.resource_id in each.definition):
        yield scene.warning(
            f"CloudWatch alarms are bound to its id {scene.source.resource_id}: {', '.join(bound)}",
            why="they stay with the unencrypted instance",
            fix="After the cut-over, change them to the id in the output `encrypted_instance`",
        )
    if not scene.around.all_alarms:
        yield scene.note(f"only the first {len(found)} alarms of the region were looked at")


def cnames(scene: Scene) -> Iterator[Finding]:
    """CNAMEs in Route 53 that lead to the instance's address."""
    address = scene.source.address
    if address is None:
        return
    found = sorted(name for name, target in scene.around.aliases if target == address.lower())
    if found and scene.name_moves:
        yield scene.note(
            f"CNAMEs point at its address: {', '.join(found)}",
            why="nothing has to be done: they point at the name, and so at the encrypted instance after the cut-over",
        )
    elif found:
        yield scene.warning(
            f"CNAMEs point at its address: {', '.join(found)}",
            why=f"with strategy `{scene.plan.strategy}` that stays the unencrypted instance's; only the record in `cutover.dns`,"
            " if there is one, is changed",
            fix=f"Let the others point at the address of `{scene.plan.survey.names.encrypted}` when the applications move",
        )
    if len(scene.around.zones) > ZONES:
        yield scene.note(f"CNAMEs were looked for in {ZONES} of {len(scene.around.zones)} hosted zones")


def room(scene: Scene) -> Iterator[Finding]:
    """Free storage, of which binlogs will take some until the encrypted instance has caught up."""
    free = metrics.free_storage(scene.aws, scene.name)
    if free is None:
        return
    percent = 100 * free / (scene.source.allocated_gib * 2**30)
    if percent < _LITTLE:
        yield scene.warning(
            f"its storage has {free / 2**30:.1f} GiB free ({percent:.0f} %)",
            why="it keeps its binlogs until the encrypted instance has fetched them, and a full volume refuses writes;"
            f" below {FREE_PERCENT} % guard `room-to-go-on` is red",
            fix="Give it more storage first",
        )


def maintenance(scene: Scene) -> Iterator[Finding]:
    """Maintenance that AWS wants to carry out."""
    if actions := scene.around.maintenance.get(scene.source.arn):
        yield scene.warning(
            f"maintenance waits for it: {', '.join(actions)}",
            why="AWS carries it out in a maintenance window, maybe in the middle of the migration",
            fix="Carry it out first, or put it off (`aws rds apply-pending-maintenance-action`)",
        )


REMARKS: tuple[Look, ...] = (fence_by_accounts, room)
"""Asked at preview, until there is an encrypted instance; from then on the guards of the cut-over look at it."""

REMINDERS: tuple[Look, ...] = (proxies, subscriptions, alarms, cnames, maintenance)
"""Asked at preview, of the first phase and of the cut-over."""


def _by_name(scene: Scene, what: str) -> Iterator[Finding]:
    if scene.name_moves:
        yield scene.note(
            what,
            why="they follow the name: after the cut-over they are about the encrypted instance; the renames may set them off",
        )
    else:
        yield scene.warning(
            what,
            why=f"with strategy `{scene.plan.strategy}` the name stays with the unencrypted instance, and they with it",
            fix=f"After the cut-over, let them name `{scene.plan.survey.names.encrypted}`",
        )


def _there(scene: Scene, quota: str) -> Iterable[str]:
    """Return which of all that the sources make is there already: it is in what the account has, and needs no more."""
    names = [name for need in scene.needs for name in need.names[quota]]
    if quota == "ManualSnapshots":
        return scene.around.snapshots(names)
    if quota == "DBParameterGroups":
        return scene.around.groups
    return Instances(scene.aws).named(names)
