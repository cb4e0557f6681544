"""The words of RDS that rds-encrypt knows: the statuses of instances and snapshots, and the answers of its procedures."""

from __future__ import annotations

import re

__all__ = [
    "CREATING",
    "INSTANCE_STATUSES",
    "NO_SUCH_PROCEDURE",
    "REFUSED",
    "RENAMING",
    "SNAPSHOT_STATUSES",
    "TRANSIENT",
    "code_of",
    "known_refusal",
    "known_success",
]

_BEFORE_AVAILABLE = frozenset(
    {
        "backing-up",
        "configuring-associated-roles",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "creating",
        "modifying",
        "rebooting",
        "resetting-master-credentials",
    }
)
CREATING = _BEFORE_AVAILABLE | {"storage-initialization", "storage-optimization"}
"""Statuses of an instance that is being created."""
RENAMING = ("available", "renaming", "rebooting")
"""Statuses of an instance that is being renamed, in order."""
INSTANCE_STATUSES = CREATING | {
    "available",
    "converting-to-vpc",
    "delete-precheck",
    "deleting",
    "failed",
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "incompatible-create",
    "incompatible-network",
    "incompatible-option-group",
    "incompatible-parameters",
    "incompatible-restore",
    "insufficient-capacity",
    "maintenance",
    "moving-to-vpc",
    "renaming",
    "restore-error",
    "starting",
    "stopped",
    "stopping",
    "storage-config-upgrade",
    "storage-full",
    "upgrading",
}
"""Source: "Viewing DB instance status" in the Amazon RDS User Guide."""
SNAPSHOT_STATUSES = frozenset({"available", "copying", "creating", "deleting", "failed"})

# Numbers are from MySQL's server and client error reference.
REFUSED = 1644
NO_SUCH_PROCEDURE = 1305
TRANSIENT = frozenset({1053, 1094, 1095, 1205, 1213, 1317, 1927, 2006, 2013, 3169})
"""A lost connection, a busy server, and a session to end that has ended or may not be ended."""

_CODE = re.compile(r"(?:\((?P<one>\d{4}) (?P<text>.*)\)|answered (?P<other>\d{4}): (?P<rest>.*))$", re.DOTALL)
# RDS's words of 8.4 and later are `replica` and `source`; these are the older ones.
_SUCCESSES = (
    r"Replication started\. Slave is now running normally\.",
    r"Slave running normally\.",
    r"Slave is now down or disabled",
    r"Slave is down or disabled",
    r"Slave has been reset",
    r"Replication started until ",
)
_REFUSALS = (
    r"Replication may already be running\.",
    r"Replication might be running\.",
    r"Slave has encountered an error\.",
    r"Slave is already stopped or may not be configured",
    r"You can'?t (start|stop|modify|reset|set) replication",
    r"Permission Denied: This instance is a RDS Read Replica",
    r".*disabled on this host",
    r"rds_start_replication_until(_gtid)? is not supported for multi-threaded slaves",
    r"The replication stop point must be",
    r"mysql\.rds_skip_repl_error is under way",
    r"Two channels that replicate from one host",
    r"CANNOT KILL .* SESSION",
    r"For (binlog retention hours|target delay|source delay) the value must be",
    r"Cannot set unknown configuration parameter",
)


def code_of(answer: str) -> tuple[int | None, str]:
    """Return MySQL's error number and text from a failed call's answer; ``None`` if it has no number."""
    match = _CODE.search(answer)
    if match is None:
        return None, answer
    return int(match["one"] or match["other"]), match["text"] or match["rest"] or ""


def known_success(answer: str) -> bool:
    """Return whether rds-encrypt knows this answer of a procedure that has worked."""
    return not answer or _matches(_SUCCESSES, answer)


def known_refusal(text: str) -> bool:
    """Return whether rds-encrypt knows the text of a refusal."""
    return _matches(_REFUSALS, text)


def _matches(patterns: tuple[str, ...], text: str) -> bool:
    old = re.sub(r"\bsource\b", "master", re.sub(r"\breplica\b", "slave", text, flags=re.I), flags=re.I)
    return any(re.match(pattern, variant, re.IGNORECASE) for pattern in patterns for variant in (text, old))
