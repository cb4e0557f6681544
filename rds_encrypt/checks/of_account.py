"""Checks of the account around a source: names that are taken, quotas, and what points at the instance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rds_encrypt.aws import metrics
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.inventory import ZONES
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.check import Finding
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.core.words import gib
from rds_encrypt.cutover.checks_of_instances import FREE_PERCENT
from rds_encrypt.journal import Tag
from rds_encrypt.quota_demand import COUNTED

__all__ = [
    "alarms",
    "cnames",
    "dms_endpoints",
    "event_rules",
    "fence_by_accounts",
    "groups_free",
    "integrations",
    "maintenance",
    "options",
    "proxies",
    "quotas",
    "replication_filters",
    "room",
    "secret",
    "snapshots_free",
    "subscriptions",
]

_COPIED_WITH_CARE = {"MEMCACHED"}
_FILTER = re.compile(r"replicate[-_]")
_LITTLE = 10
"""Percent of the storage."""


# Checks that may block.


def snapshots_free(context: CheckContext) -> Iterator[Finding]:
    """No other snapshot has a name that the migration will give."""
    names = context.plan.topology.names
    for name, snapshot in context.around.snapshots([names.replica, names.encrypted]).items():
        if snapshot.tags.get(Tag.MIGRATION) != context.source.resource_id:
            yield context.blocking(
                f"a snapshot with this name exists, but not from this migration of {context.name}",
                where=name,
                fix="Delete it, or keep it under another name (`aws rds copy-db-snapshot`): the migration needs the name",
            )


def replication_filters(context: CheckContext) -> Iterator[Finding]:
    """The source's parameter group has no replication filter, which does nothing on a source, and would leave out changes on the copies.

    Source: "Configuring replication filters with MySQL", Amazon RDS User Guide.
    """
    values = ParameterGroups(context.aws).user_values(context.group)
    if given := sorted(name for name, (value, _) in values.items() if _FILTER.match(name) and value):
        yield context.blocking(
            f"its parameter group {context.group} has replication filters: {', '.join(given)}",
            why="replica and encrypted instance use its values, so both would leave out changes",
            fix="Reset these parameters, which have no effect on a source; if replicas use the group too, give them their own",
            safe="Nothing was changed",
        )


def groups_free(context: CheckContext) -> Iterator[Finding]:
    """No other parameter group has a name that the migration will give."""
    names = context.plan.topology.names
    ours = f"{context.group}, {names.group_purpose}"
    for name in (names.encrypted, names.fence):
        group = context.around.groups.get(name)
        if group is not None and group.purpose != ours:
            yield context.blocking(
                f"a parameter group with this name exists, but not from this migration of {context.name} ({group.purpose!r})",
                where=name,
                fix="Delete it, or copy it to another name first: the migration needs the name",
            )


def quotas(context: CheckContext) -> Iterator[Finding]:
    """The quotas allow what this source and those listed before it still create; the message counts later sources too."""
    upto = context.quota_demands[
        : 1 + [demand.identifier for demand in context.quota_demands].index(context.name)
    ]
    for name, what in COUNTED.items():
        quota = context.around.quotas.get(name)
        if quota is None or quota.left >= sum(demand.of(name) for demand in upto):
            continue
        there = _there(context, name)
        needed = {demand.identifier: demand.of(name, there) for demand in context.quota_demands}
        own = needed[context.name]
        if own == 0 or quota.left >= sum(needed[demand.identifier] for demand in upto):
            continue
        several = sum(more > 0 for more in needed.values())
        who = (
            f"{several} sources of this stack need {sum(needed.values())} more, and the {own} of this one would exceed the quota"
            if several > 1
            else f"this source needs {own} more"
        )
        yield context.blocking(
            f"the account may have {quota.maximum} {what} and has {quota.used}, but {who}",
            fix=f"Delete some, or ask AWS for a higher quota of {name}"
            f"{', or migrate fewer sources at a time' if several > 1 else ''}",
        )
    most = context.around.quotas.get("ReadReplicasPerMaster")
    if (
        most is not None
        and context.plan.method == "online"
        and context.plan.topology.replica is None
        and len(context.source.replicas) >= most.maximum
    ):
        yield context.blocking(
            f"it already has {len(context.source.replicas)} replicas, and AWS allows {most.maximum} per instance",
            fix="Delete one for the duration of the migration, or ask AWS for a higher quota of ReadReplicasPerMaster",
        )


def options(context: CheckContext) -> Iterator[Finding]:
    """The encrypted instance gets the option group."""
    group = str(context.source.description["OptionGroupMemberships"][0]["OptionGroupName"])
    if group.startswith("default:"):
        return
    option_group = context.around.options(group)
    vpc = (context.source.description.get("DBSubnetGroup") or {}).get("VpcId")
    bound = option_group.get("VpcId")
    if bound and vpc and bound != vpc:
        yield context.blocking(
            f"its option group {group} is bound to {bound}, and the instance is in {vpc}",
            fix="Copy the option group and give the instance the copy",
        )
    names = [str(option.get("OptionName")) for option in option_group.get("Options", [])]
    if lasting := [
        option["OptionName"] for option in option_group.get("Options", []) if option.get("Permanent")
    ]:
        yield context.warning(
            f"its option group {group} has options that cannot be removed: {', '.join(lasting)}",
            why="an instance restored from its snapshot can never remove them either",
        )
    if _COPIED_WITH_CARE & set(names):
        yield context.warning(
            f"its option group {group} offers memcached",
            why="the fence does not stop writes through memcached",
            fix="Stop its clients before the cutover",
        )


def integrations(context: CheckContext) -> Iterator[Finding]:
    """Zero-ETL integrations that read from the instance.

    Source: "Modifying Amazon RDS zero-ETL integrations" in the Amazon RDS User Guide: the source database cannot be changed.
    """
    names = sorted(name for name, arn in context.around.integrations.items() if arn == context.source.arn)
    if names:
        yield context.blocking(
            f"zero-ETL integrations read from it: {', '.join(names)}",
            why="AWS cannot point an integration at another instance",
            fix="Delete them first and create them for the encrypted instance after the cutover; or accept the check"
            " `integrations` if they may stay with the old instance",
        )


# Warnings and notes.


def fence_by_accounts(context: CheckContext) -> Iterator[Finding]:
    """Which fence the source will get at the cutover."""
    reason = context.accounts_because
    if reason is not None:
        yield context.note(
            f"the cutover will stop writes by locking accounts, because {reason}",
            why="reads pause too, and logins of applications fail",
            fix="To avoid that, give the instance its own parameter group and reboot it before phase `replicate`",
        )


def proxies(context: CheckContext) -> Iterator[Finding]:
    """RDS Proxies with the instance behind them."""
    names = sorted(
        target.proxy for target in context.around.proxy_targets if target.identifier == context.name
    )
    if not names:
        return
    yield context.warning(
        f"RDS Proxy has it as a target: {', '.join(names)}",
        why="rds-encrypt registers the encrypted instance with it right after the cutover, unless `cutover.proxies` is `leave`; AWS does not"
        " document what a proxy does while names move",
        fix="Rehearse it, and look at `aws rds describe-db-proxy-targets` after the cutover",
    )


def dms_endpoints(context: CheckContext) -> Iterator[Finding]:
    """Endpoints of Database Migration Service that read from the instance."""
    address = (context.source.address or "").lower()
    names = sorted(name for name, server in context.around.dms_endpoints if address and server == address)
    if names:
        yield context.warning(
            f"DMS endpoints read from it: {', '.join(names)}",
            why="a task that captures changes resumes at coordinates in the old instance's binlogs, which the encrypted one does not have",
            fix="Stop its tasks before the cutover, and start them again from the encrypted instance's coordinates afterwards",
        )


def subscriptions(context: CheckContext) -> Iterator[Finding]:
    """Event subscriptions that name the instance."""
    names = sorted(name for name, sources in context.around.subscriptions.items() if context.name in sources)
    if names:
        yield from _by_name(context, f"event subscriptions name it: {', '.join(names)}")


def event_rules(context: CheckContext) -> Iterator[Finding]:
    """EventBridge rules whose patterns name the instance, alone or at the end of its ARN."""
    named = re.compile(rf'[":]{re.escape(context.name)}"')
    names = sorted(name for name, pattern in context.around.event_rules.items() if named.search(pattern))
    if names:
        yield from _by_name(context, f"EventBridge rules name it: {', '.join(names)}")


def secret(context: CheckContext) -> Iterator[Finding]:
    """A secret that tells applications which instance to use, where that name stays with the unencrypted one."""
    if context.access is None or context.name_moves:
        return
    named = context.access.named_by_secret()
    if named & {context.name, context.source.address or ""}:
        yield context.warning(
            "the secret in `credentials.secretId` has its address or its name",
            why=f"with strategy `{context.plan.strategy.name}` both stay with the unencrypted instance, and so do applications that read it",
            fix=f"After the cutover, put those of `{context.plan.topology.names.encrypted}` into the secret",
        )


def alarms(context: CheckContext) -> Iterator[Finding]:
    """Alarms about the instance, by name or by identity."""
    checked = context.around.alarms
    if named := sorted(alarm.name for alarm in checked if context.name in alarm.identifiers):
        yield from _by_name(context, f"CloudWatch alarms name it: {', '.join(named)}")
    if bound := sorted(alarm.name for alarm in checked if context.source.resource_id in alarm.definition):
        yield context.warning(
            f"CloudWatch alarms are bound to its id {context.source.resource_id}: {', '.join(bound)}",
            why="they stay with the unencrypted instance",
            fix="After the cutover, change them to the id in the output `encrypted_instance`",
        )
    if not context.around.all_alarms:
        yield context.note(f"only the first {len(checked)} alarms of the region were checked")


def cnames(context: CheckContext) -> Iterator[Finding]:
    """CNAMEs in Route 53 that lead to the instance's address."""
    address = context.source.address
    if address is None:
        return
    names = sorted(name for name, target in context.around.aliases if target == address.lower())
    if names and context.name_moves:
        yield context.note(
            f"CNAMEs point at its address: {', '.join(names)}",
            why="they need no change: they point at the name, and so at the encrypted instance after the cutover",
        )
    elif names:
        yield context.warning(
            f"CNAMEs point at its address: {', '.join(names)}",
            why=f"with strategy `{context.plan.strategy.name}` that address stays the unencrypted instance's; the cutover changes only the"
            " record in `cutover.dns`, if any",
            fix=f"Point the others at the address of `{context.plan.topology.names.encrypted}` when the applications move",
        )
    if len(context.around.zones) > ZONES:
        yield context.note(f"CNAMEs were checked in {ZONES} of {len(context.around.zones)} hosted zones")


def room(context: CheckContext) -> Iterator[Finding]:
    """Free storage, some of which binlogs take until the encrypted instance has caught up."""
    free = metrics.free_storage(context.aws, context.name)
    if free is None:
        return
    percent = 100 * free / (context.source.allocated_gib * 2**30)
    if percent < _LITTLE:
        yield context.warning(
            f"its storage has {gib(free)} free ({percent:.0f} %)",
            why="it keeps its binlogs until the encrypted instance has fetched them, and a full volume refuses writes;"
            f" below {FREE_PERCENT} % check `free-storage` fails",
            fix="Give it more storage first",
        )


def maintenance(context: CheckContext) -> Iterator[Finding]:
    """Pending maintenance."""
    if actions := context.around.maintenance.get(context.source.arn):
        yield context.warning(
            f"maintenance is pending: {', '.join(actions)}",
            why="AWS applies it in a maintenance window, perhaps during the migration",
            fix="Apply it first, or defer it (`aws rds apply-pending-maintenance-action`)",
        )


def _by_name(context: CheckContext, what: str) -> Iterator[Finding]:
    if context.name_moves:
        yield context.note(
            what,
            why="they follow the name: after the cutover they mean the encrypted instance; the renames may trigger them",
        )
    else:
        yield context.warning(
            what,
            why=f"with strategy `{context.plan.strategy.name}` the name stays with the unencrypted instance, and so do they",
            fix=f"After the cutover, point them at `{context.plan.topology.names.encrypted}`",
        )


def _there(context: CheckContext, quota: str) -> Iterable[str]:
    """Return which of the sources' resources exist already: the account's usage includes them."""
    names = [name for demand in context.quota_demands for name in demand.names[quota]]
    if quota == "ManualSnapshots":
        return context.around.snapshots(names)
    if quota == "DBParameterGroups":
        return context.around.groups
    return Instances(context.aws).named(names)
