"""Every check: its name, when it runs, the most severe finding that it can report, and its function.

To add one, write the function and enter it here, and in the table of ``docs/concepts.md``. Checks of the cutover are listed in
``rds_encrypt.cutover.checks``, which cannot import this module.
"""

from __future__ import annotations

from typing import Any

from rds_encrypt.check import Check, Scope, Severity
from rds_encrypt.checks import (
    of_account,
    of_caller,
    of_instance,
    of_key,
    of_mysql,
    of_old,
    of_phase,
    of_replicas,
    preflight,
)
from rds_encrypt.checks.context import AwsCheck, MySQLCheck
from rds_encrypt.cutover import checks as cutover

__all__ = ["ALL", "AWS", "MYSQL", "PREVIEW"]

_BLOCKING, _WARNING, _NOTE = Severity.BLOCKING, Severity.WARNING, Severity.NOTE
_EVERY_RUN, _BEFORE_COPY = Scope.EVERY_RUN, Scope.BEFORE_COPY
_FIRST_PREVIEW, _PREVIEW = Scope.FIRST_PREVIEW, Scope.PREVIEW

AWS: tuple[Check[AwsCheck], ...] = (
    Check("version-known", _EVERY_RUN, _BLOCKING, preflight.version_known),
    Check("no-cutover-under-way", _EVERY_RUN, _BLOCKING, of_phase.no_cutover_under_way),
    Check("method-kept", _EVERY_RUN, _BLOCKING, of_phase.method_kept),
    Check("phase-follows", _EVERY_RUN, _BLOCKING, of_phase.phase_follows),
    Check("old-outlived", _EVERY_RUN, _BLOCKING, of_old.outlived),
    Check("instance-names-free", _EVERY_RUN, _BLOCKING, preflight.names_free),
    Check("replica-names", _EVERY_RUN, _BLOCKING, of_replicas.names_work),
    Check("snapshots-usable", _EVERY_RUN, _BLOCKING, preflight.snapshots_usable),
    Check("engine-supported", _EVERY_RUN, _BLOCKING, preflight.engine_supported),
    Check("class-encrypts", _EVERY_RUN, _BLOCKING, preflight.class_encrypts),
    Check("backups-on", _EVERY_RUN, _BLOCKING, preflight.backups_on),
    Check("stands-alone", _EVERY_RUN, _BLOCKING, preflight.stands_alone),
    Check("password-allows-replica", _EVERY_RUN, _BLOCKING, preflight.password_allows_replica),
    Check("version-restorable", _EVERY_RUN, _BLOCKING, preflight.restorable),
    Check("tags-fit", _EVERY_RUN, _BLOCKING, preflight.tags_fit),
    Check("group-carries-fence", _EVERY_RUN, _BLOCKING, preflight.fence_possible),
    Check("source-running", _BEFORE_COPY, _BLOCKING, of_instance.runs),
    Check("snapshot-names-free", _BEFORE_COPY, _BLOCKING, of_account.snapshots_free),
    Check("replication-filters", _BEFORE_COPY, _BLOCKING, of_account.replication_filters),
    Check("group-names-free", _BEFORE_COPY, _BLOCKING, of_account.groups_free),
    Check("quotas", _BEFORE_COPY, _BLOCKING, of_account.quotas),
    Check("option-group", _BEFORE_COPY, _BLOCKING, of_account.options),
    Check("integrations", _BEFORE_COPY, _BLOCKING, of_account.integrations),
    Check("replicas-not-delayed", _BEFORE_COPY, _BLOCKING, of_replicas.delayed),
    Check("source-available", _FIRST_PREVIEW, _WARNING, of_instance.busy),
    Check("managed-password", _FIRST_PREVIEW, _WARNING, of_instance.managed_password),
    Check("pending-changes", _FIRST_PREVIEW, _WARNING, of_instance.pending_changes),
    Check("next-maintenance-window", _FIRST_PREVIEW, _NOTE, of_instance.maintenance_window),
    Check("standby", _FIRST_PREVIEW, _NOTE, of_instance.standby),
    Check("backups-elsewhere", _FIRST_PREVIEW, _WARNING, of_instance.backups_elsewhere),
    Check("deletion-protection", _FIRST_PREVIEW, _NOTE, of_instance.protection),
    Check("data-by-id", _FIRST_PREVIEW, _NOTE, of_instance.identity),
    Check("fence-by-accounts", _FIRST_PREVIEW, _NOTE, of_account.fence_by_accounts),
    Check("source-storage", _FIRST_PREVIEW, _WARNING, of_account.room),
    Check("permissions", _FIRST_PREVIEW, _WARNING, of_caller.permissions),
    Check("key-policy", _FIRST_PREVIEW, _WARNING, of_key.key_policy),
    Check("replicas", _PREVIEW, _WARNING, of_replicas.replicas),
    Check("iam-logins", _PREVIEW, _WARNING, of_instance.logins_by_iam),
    Check("proxies", _PREVIEW, _WARNING, of_account.proxies),
    Check("dms-endpoints", _PREVIEW, _WARNING, of_account.dms_endpoints),
    Check("subscriptions", _PREVIEW, _WARNING, of_account.subscriptions),
    Check("event-rules", _PREVIEW, _WARNING, of_account.event_rules),
    Check("secret", _PREVIEW, _WARNING, of_account.secret),
    Check("alarms", _PREVIEW, _WARNING, of_account.alarms),
    Check("cnames", _PREVIEW, _WARNING, of_account.cnames),
    Check("pending-maintenance", _PREVIEW, _WARNING, of_account.maintenance),
)
"""The checks of a preview that ask AWS, in the order in which their findings are shown."""

MYSQL: tuple[Check[MySQLCheck], ...] = (
    Check("account-privileges", _FIRST_PREVIEW, _WARNING, of_mysql.account),
    Check("binlog-format", _FIRST_PREVIEW, _WARNING, of_mysql.binlog_format),
    Check("replication-settings", _FIRST_PREVIEW, _WARNING, of_mysql.settings),
    Check("no-external-source", _FIRST_PREVIEW, _BLOCKING, of_mysql.replicates_itself),
    Check("replica-delay", _FIRST_PREVIEW, _WARNING, of_mysql.delay_of_replicas),
    Check("memory-tables", _FIRST_PREVIEW, _WARNING, of_mysql.memory_tables),
    Check("primary-keys", _FIRST_PREVIEW, _WARNING, of_mysql.primary_keys),
    Check("definers", _FIRST_PREVIEW, _WARNING, of_mysql.definers),
    Check("scheduled-events", _FIRST_PREVIEW, _NOTE, of_mysql.scheduled_events),
    Check("fence-stops-all", _FIRST_PREVIEW, _WARNING, of_mysql.past_the_fence),
    Check("open-transactions", _FIRST_PREVIEW, _NOTE, of_mysql.transactions),
    Check("old-unused", Scope.CLEANUP, _BLOCKING, of_old.unused),
)
"""The checks of a preview that ask MySQL on the source, which is the old instance in phase `cleanup`, in the order in which they run."""

PREVIEW: tuple[Check[Any], ...] = (*AWS, *MYSQL)
ALL: tuple[Check[Any], ...] = (*PREVIEW, *cutover.CHECKS.values())
"""All checks, in the order in which they run."""
