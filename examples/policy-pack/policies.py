"""The policies; each says in one sentence what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

__all__ = ["POLICIES"]

_INSTANCE = "aws:rds/instance:Instance"
_COPY = "aws:rds/snapshotCopy:SnapshotCopy"
_CUTOVER = "pulumi-python:dynamic/rds:Cutover"
_RETIREMENT = "pulumi-python:dynamic/rds:Retirement"
_VERIFICATION = "pulumi-python:dynamic/rds:Verification"
_WRITE_FENCE = "pulumi-python:dynamic/rds:WriteFence"
_ROLE = "rds-encrypt:role"


def _encrypted(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.resource_type != _INSTANCE or args.props.get("storageEncrypted"):
        return
    if (args.props.get("tags") or {}).get(_ROLE) == "replica":
        return  # made by a migration, which deletes it
    if set(args.props) <= {"identifier", "instanceClass", "__defaults", *_PROVIDERS_OWN}:
        return  # an instance that a migration only keeps in its state, and that is encrypted
    report("Its storage is not encrypted: set `storageEncrypted`, or migrate it if it exists already.")


_PROVIDERS_OWN = ("applyImmediately", "skipFinalSnapshot")


def _customers_key(args: ResourceValidationArgs, report: ReportViolation) -> None:
    allowed = args.get_config().get("keys") or []
    key = args.props.get("kmsKeyId")
    if args.resource_type == _INSTANCE and args.props.get("storageEncrypted"):
        restored = bool(args.props.get("snapshotIdentifier"))  # the snapshot settled the key
        if key is None and not restored:
            report("It is encrypted with AWS's default key: name a key of your own in `kmsKeyId`.")
        elif key is not None and allowed and key not in allowed:
            report(f"It is encrypted with {key}, which is none of the keys that are allowed.")
    elif args.resource_type == _COPY and allowed and key not in allowed:
        report(
            f"The copy would be encrypted with {key}, which is none of the keys that are allowed: set `kmsKey`."
        )


def _verified(args: StackValidationArgs, report: ReportViolation) -> None:
    compared = {
        each.name
        for each in args.resources
        if each.resource_type == _VERIFICATION and each.props["verify"]["level"] != "off"
    }
    # Method `offline` fences the source before its snapshot: nothing is replicated, so there is nothing to compare.
    exempt = {each.name for each in args.resources if each.resource_type in (_RETIREMENT, _WRITE_FENCE)}
    for each in args.resources:
        if each.resource_type == _CUTOVER and each.name not in compared | exempt:
            report(
                f"{each.name} would be cut over without a comparison of the data: set `verify.level` to another value than `off`.",
                each.urn,
            )


def _left_behind(args: StackValidationArgs, report: ReportViolation) -> None:
    days = int(args.get_config().get("days", 14))
    retired = {each.name for each in args.resources if each.resource_type == _RETIREMENT}
    for each in args.resources:
        opened = _moment(each.props) if each.resource_type == _CUTOVER else None
        if opened is None or each.name in retired:
            continue
        age = datetime.now(UTC) - opened
        if age > timedelta(days=days):
            report(
                f"{each.name} was cut over {age.days} days ago, and its unencrypted instance and snapshots are still there:"
                " set `phase` to `cleanup`.",
                each.urn,
            )


def _moment(props: Mapping[str, Any]) -> datetime | None:
    told = (props.get("timeline") or {}).get("open")
    return datetime.fromisoformat(told) if isinstance(told, str) else None


POLICIES: list[Policy] = [
    ResourceValidationPolicy(
        name="storage-is-encrypted",
        description="RDS instances have encrypted storage.",
        validate=_encrypted,
    ),
    ResourceValidationPolicy(
        name="key-of-your-own",
        description="Encrypted instances use a customer's key: any, or one of those in `keys` (ARNs).",
        validate=_customers_key,
        config_schema=PolicyConfigSchema(properties={"keys": {"type": "array", "items": {"type": "string"}}}),
    ),
    StackValidationPolicy(
        name="verified-before-cutover",
        description="A source is cut over only after its data have been compared.",
        validate=_verified,
    ),
    StackValidationPolicy(
        name="no-temporary-resources",
        description="What a cutover leaves is cleaned up within `days` (14).",
        enforcement_level=EnforcementLevel.ADVISORY,
        validate=_left_behind,
        config_schema=PolicyConfigSchema(properties={"days": {"type": "integer", "default": 14}}),
    ),
]
