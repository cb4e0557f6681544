"""Checks of the source's own description, without another call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rds_encrypt.aws.changes import USABLE
from rds_encrypt.check import Finding
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.core.words import about
from rds_encrypt.cutover.windows import minutes_until_maintenance

__all__ = [
    "backups_elsewhere",
    "busy",
    "identity",
    "logins_by_iam",
    "maintenance_window",
    "managed_password",
    "pending_changes",
    "protection",
    "runs",
    "standby",
]

_STOPPED = {"stopped", "stopping"}
_SOON = 12 * 60
"""Minutes before a maintenance window in which it is worth a note."""


def runs(context: CheckContext) -> Iterator[Finding]:
    """A stopped instance replicates nothing."""
    if context.source.status in _STOPPED:
        yield context.blocking(
            f"it is {context.source.status}, so nothing can replicate from it",
            fix=f"Start it: `aws rds start-db-instance --db-instance-identifier {context.name}`",
        )


def busy(context: CheckContext) -> Iterator[Finding]:
    """An operation of RDS on the instance makes the migration wait, or slows it down."""
    status = context.source.status
    if status == "available":
        return
    if status in USABLE:
        yield context.note(
            f"its status is {status}",
            why="it accepts reads and writes, but more slowly; AWS allows storage changes only after that",
        )
    elif status == "backing-up":
        yield context.warning(
            "RDS is backing it up",
            why="the migration waits until the backup is complete, which can take hours on a large volume; MySQL was not checked",
        )
    elif not context.source.available and status not in _STOPPED:
        yield context.warning(
            f"its status is {status}",
            why="the migration waits until it is available; MySQL was not checked",
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
    """Pending changes would take effect during the migration."""
    pending = list(context.source.description.get("PendingModifiedValues") or {})
    pending += context.source.groups_not_in_sync
    if pending:
        yield context.warning(
            f"changes are pending: {', '.join(pending)}",
            why="the encrypted instance gets the settings in effect now, and the cutover does not begin while changes are pending",
            fix="Apply them, with a reboot if they need one, or revert them",
        )


def maintenance_window(context: CheckContext) -> Iterator[Finding]:
    """A weekly window that opens soon."""
    window = str(context.source.description.get("PreferredMaintenanceWindow") or "")
    minutes = minutes_until_maintenance(window, datetime.now(UTC)) if window else _SOON
    if minutes < _SOON:
        opens = f"opens in {about(60 * minutes)}" if minutes else "is open"
        yield context.note(
            f"its maintenance window ({window}, UTC) {opens}",
            why="AWS may restart the instance in it; replication survives that, and no cutover begins in it",
        )


def standby(context: CheckContext) -> Iterator[Finding]:
    """A Multi-AZ instance is encrypted with its standby; one without a standby feels the snapshot.

    Source: "Creating a DB snapshot for a Single-AZ DB instance" and "Working with DB instance read replicas" in the Amazon RDS User
    Guide: RDS snapshots the source of a new replica, which suspends the I/O of a Single-AZ instance for a moment.
    """
    if context.source.description.get("MultiAZ"):
        yield context.note(
            "it is Multi-AZ",
            why="the encrypted instance gets its own, encrypted standby before it follows; the temporary replica has none",
        )
    else:
        yield context.note(
            "it has no standby",
            why="RDS takes a snapshot of it, which suspends its I/O for a moment",
        )


def backups_elsewhere(context: CheckContext) -> Iterator[Finding]:
    """Backups beyond RDS's own: those belong to the identity, and do not begin for the encrypted instance by themselves."""
    description = context.source.description
    for key, what in (
        ("AwsBackupRecoveryPointArn", "AWS Backup keeps continuous backups of it"),
        ("DBInstanceAutomatedBackupsReplications", "its backups are replicated to another region"),
    ):
        if description.get(key):
            yield context.warning(
                what,
                why="they do not cover the encrypted instance",
                fix="Set that up for it after the cutover",
            )


def logins_by_iam(context: CheckContext) -> Iterator[Finding]:
    """IAM policies for logins name the instance by its id."""
    if not context.source.description.get("IAMDatabaseAuthenticationEnabled"):
        return
    resource_id, encrypted = context.source.resource_id, context.topology.encrypted
    allowed = (
        f"`dbuser:{encrypted.resource_id}/…`" if encrypted else "the id in the output `encrypted_instance`"
    )
    yield context.warning(
        "IAM database authentication is on",
        why=(
            f"policies with `rds-db:connect` name the instance by its id ({resource_id}), and the encrypted one"
            " has another: such logins would fail after the cutover"
        ),
        fix=f"Before the cutover, also allow {allowed}{_where_named(context, resource_id)}",
    )


def _where_named(context: CheckContext, resource_id: str) -> str:
    """Return which policies name the id; those that allow logins to every instance need no change."""
    try:
        policies = context.around.login_policies
    except MigrationError as error:
        return f" (rds-encrypt could not look for them: {error.what})"
    named = sorted(
        name for name, resources in policies.items() if any(resource_id in resource for resource in resources)
    )
    return f": {'; '.join(named)}" if named else "; no policy of this account names the present one"


def protection(context: CheckContext) -> Iterator[Finding]:
    """The encrypted instance gets deletion protection too; only `cleanup.old: delete` removes it."""
    if context.source.description.get("DeletionProtection"):
        yield context.note(
            "deletion protection is on",
            why="the encrypted instance gets it too; only `cleanup.old: delete` removes it from the old one",
        )


def identity(context: CheckContext) -> Iterator[Finding]:
    """Data that belongs to the id, not to the name."""
    yield context.note(
        f"data under its id {context.source.resource_id} stays with the unencrypted instance",
        why=(
            "backups for point-in-time recovery start over on the encrypted instance; Performance Insights and"
            " Enhanced Monitoring continue under its own id"
        ),
    )
