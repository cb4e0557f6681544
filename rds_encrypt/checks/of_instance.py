"""What the source's own description tells, without another question."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rds_encrypt.aws.changes import USABLE
from rds_encrypt.checks.context import CheckContext, Look
from rds_encrypt.checks.finding import Finding
from rds_encrypt.cutover.checks import minutes_until_maintenance

__all__ = ["OBSTACLES", "REMARKS", "REMINDERS"]

_STOPPED = {"stopped", "stopping"}
_SOON = 12 * 60
"""Minutes before a maintenance window in which it is worth a word."""


def runs(context: CheckContext) -> Iterator[Finding]:
    """A stopped instance replicates nothing."""
    if context.source.status in _STOPPED:
        yield context.blocking(
            f"it is {context.source.status}, and nothing can be replicated from it",
            fix=f"Start it: `aws rds start-db-instance --db-instance-identifier {context.name}`",
        )


def busy(context: CheckContext) -> Iterator[Finding]:
    """What RDS is doing to an instance makes the migration wait, or slows it down."""
    found = context.source.status
    if found == "available":
        return
    if found in USABLE:
        yield context.note(
            f"its status is {found}",
            why="it takes reads and writes, but more slowly; AWS lets its storage be changed only after that",
        )
    elif found == "backing-up":
        yield context.warning(
            "RDS is backing it up",
            why="the migration waits until the backup is complete, which can take hours on a large volume; MySQL on it was not"
            " asked now",
        )
    elif not context.source.available and found not in _STOPPED:
        yield context.warning(
            f"its status is {found}",
            why="the migration waits until it is available, and MySQL on it was not asked now",
        )


def managed_password(context: CheckContext) -> Iterator[Finding]:
    """A secret that RDS manages belongs to one instance; only method `offline` gets this far with one."""
    if context.plan.method == "offline" and context.source.description.get("MasterUserSecret"):
        yield context.warning(
            "RDS manages its master password in Secrets Manager",
            why="the secret stays with the unencrypted instance: RDS rotates the password of that instance only, and deletes the"
            " secret with it. The encrypted instance keeps the password that was valid when the snapshot was taken",
            fix="After the cutover, let RDS manage the password of the encrypted instance (`aws rds modify-db-instance"
            " --manage-master-user-password`), and point applications to the new secret",
        )


def pending_changes(context: CheckContext) -> Iterator[Finding]:
    """What waits for a maintenance window would happen in the middle of the migration."""
    pending = list(context.source.description.get("PendingModifiedValues") or {})
    pending += context.source.groups_not_in_sync
    if pending:
        yield context.warning(
            f"changes wait to be applied: {', '.join(pending)}",
            why="the encrypted instance is made like what is in effect now, and the cutover does not begin while they wait",
            fix="Apply them, with a reboot if they need one, or take them back",
        )


def maintenance_window(context: CheckContext) -> Iterator[Finding]:
    """A weekly window that opens soon."""
    window = str(context.source.description.get("PreferredMaintenanceWindow") or "")
    minutes = minutes_until_maintenance(window, datetime.now(UTC)) if window else _SOON
    if minutes < _SOON:
        opens = f"opens in {minutes // 60} h {minutes % 60} min" if minutes else "is open"
        yield context.note(
            f"its maintenance window ({window}, UTC) {opens}",
            why="AWS may restart the instance in it; replication survives that, and a cutover does not begin in it",
        )


def standby(context: CheckContext) -> Iterator[Finding]:
    """A Multi-AZ instance is encrypted with its standby."""
    if context.source.description.get("MultiAZ"):
        yield context.note(
            "it is Multi-AZ",
            why="the encrypted instance gets a standby of its own, encrypted as well, before it follows; the replica on the way"
            " has none",
        )


def replicas(context: CheckContext) -> Iterator[Finding]:
    """Replicas stay with their source, whatever that is called."""
    names = context.plan.topology.names
    others = [name for name in context.source.replicas if name != names.replica]
    if not others:
        return
    becomes = f"under its name `{names.old}`" if context.name_moves else "as it is"
    yield context.warning(
        f"it has replicas of its own: {', '.join(others)}",
        why=(
            f"they stay with the unencrypted instance {becomes}, and are unencrypted themselves; after the cutover they get"
            " what is written only until phase `cleanup`, which cannot stop an instance that has replicas"
        ),
        fix=f"Make new replicas of `{context.name}` after the cutover, move readers there, and delete these before `cleanup`",
    )


def logins_by_iam(context: CheckContext) -> Iterator[Finding]:
    """Policies for logins by IAM name the instance by its identity."""
    if not context.source.description.get("IAMDatabaseAuthenticationEnabled"):
        return
    yield context.warning(
        "IAM database authentication is on",
        why=(
            f"policies with `rds-db:connect` name the instance by its id ({context.source.resource_id}), and the encrypted one"
            " has another: such logins would fail after the cutover"
        ),
        fix="Before the cutover, allow them for the id in the output `encrypted_instance` as well",
    )


def protection(context: CheckContext) -> Iterator[Finding]:
    """Deletion protection is carried over, and taken off only where the config says `delete`."""
    if context.source.description.get("DeletionProtection"):
        yield context.note(
            "deletion protection is on",
            why="the encrypted instance gets it too; only `cleanup.old: delete` takes it off the old one",
        )


def identity(context: CheckContext) -> Iterator[Finding]:
    """What belongs to the identity instead of the name."""
    yield context.note(
        f"what belongs to its id {context.source.resource_id} stays with the unencrypted instance",
        why=(
            "backups for point-in-time recovery begin anew with the encrypted instance; Performance Insights and the log of"
            " Enhanced Monitoring go on under its own id"
        ),
    )


OBSTACLES: tuple[Look, ...] = (runs,)
"""Asked whenever a copy is about to be made, at preview and at `up`."""

REMARKS: tuple[Look, ...] = (
    busy,
    managed_password,
    pending_changes,
    maintenance_window,
    standby,
    protection,
    identity,
)
"""Asked at preview, until there is an encrypted instance; from then on the checks of the cutover look at it."""

REMINDERS: tuple[Look, ...] = (replicas, logins_by_iam)
"""Asked at preview, of the first phase and of the cutover."""
