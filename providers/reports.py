"""The reports that steps write for people. Nothing depends on them, so a failure to write one is only a warning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from providers.arguments import EncryptedArgs, NamedArgs, PairArgs
from providers.progress import warning_for
from providers.step import StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.names import Names
from rds_encrypt.replica_pairs import find_counterparts
from rds_encrypt.reports import ownership_transfer, report
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.lag_log import LagLog
from rds_encrypt.reports.ownership_transfer import OwnershipTransfer

__all__ = ["after_cleanup", "after_cutover", "after_refresh", "files_of", "hand_over", "lag_log"]


def files_of(args: NamedArgs) -> Files:
    """Return the files of a step's source; a failure to write them is a warning in the step's row."""
    return Files(args.identifier, warn=warning_for(args.urn))


@contextmanager
def lag_log(source: Instance, args: EncryptedArgs) -> Iterator[LagLog]:
    """Log the lag during a ``with`` block; until the cutover the source has its own name."""
    log = LagLog(Files(source.identifier, warn=warning_for(args.urn)), args.encrypted_id)
    try:
        yield log
    finally:
        log.close()


def after_cutover(cutover: CutoverContext, files: Files) -> None:
    """Write the report, whether or not the cutover succeeded."""
    with _only_warned(files):
        encrypted_id, source_id = cutover.direction.encrypted_id, _source_id(cutover)
        instances = cutover.instances.find_several([source_id, encrypted_id])
        facts = report.facts_of(instances.get(source_id), instances.get(encrypted_id) or cutover.encrypted())
        report.publish(files, {**facts, "old_clients": []})


def hand_over(cutover: CutoverContext, files: Files) -> None:
    """Write the ownership transfer once the encrypted instance carries production; withdraw it after a rollback."""
    with _only_warned(files):
        if cutover.direction.candidate_id == cutover.direction.encrypted_id:
            encrypted, source_id = cutover.encrypted(), _source_id(cutover)
            counterparts = find_counterparts(cutover.instances, encrypted, source_id)
            transfer = OwnershipTransfer(encrypted, source_id, cutover.names.source, tuple(counterparts))
            ownership_transfer.write(files, transfer)
        else:
            ownership_transfer.withdraw(files)


def after_cleanup(context: StepContext, args: PairArgs, outputs: Mapping[str, Any]) -> None:
    """Write the report again, with what was deleted and what remains."""
    files = files_of(args)
    with _only_warned(files):
        source_id, encrypted_id = args.source_id, args.encrypted_id
        instances = context.instances.find_several([source_id, encrypted_id])
        production = instances.get(encrypted_id) or context.instances.get(encrypted_id)
        facts = report.facts_of(instances.get(source_id), production)
        # Compared at the cutover, when both ran; a stopped or deleted instance adds nothing.
        facts.pop("settings", None)
        report.publish(files, {**facts, "old_clients": [], "cleanup": _cleanup(args.names, outputs)})


def after_refresh(args: NamedArgs, facts: Mapping[str, Any]) -> None:
    """Write the report again, with the results of a refresh."""
    files = files_of(args)
    with _only_warned(files):
        report.publish(files, facts)


def _cleanup(names: Names, outputs: Mapping[str, Any]) -> dict[str, Any]:
    old, status = outputs["old"], outputs["old_status"]
    gone = [
        f"instance {names.replica}, the replica",
        "reverse replication, and with it the rollback path",
        "the migration's accounts and its binlog retention",
        "the migration's snapshots, which Pulumi deletes after this step",
    ]
    left = [f"instance {names.source}, or the one that applications use instead: production, encrypted"]
    if status == "deleted":
        gone.append(f"instance {old}")
        left.append(f"snapshot {names.old}-final, unless it has been deleted since")
        unencrypted = f"snapshot {names.old}-final, until you delete it"
    else:
        left += [
            f"instance {old}, {status}, with its automated backups; `cleanup.old: delete` can delete it from {outputs['keep_until']} on",
            f"parameter group {names.fence}, which keeps it read-only",
        ]
        unencrypted = f"instance {old} and its backups, until you set `cleanup.old` to `delete`, from {outputs['keep_until']} on"
    return {"gone": gone, "left": left, "unencrypted": unencrypted}


def _source_id(cutover: CutoverContext) -> str:
    direction = cutover.direction
    return (
        direction.primary_id if direction.candidate_id == direction.encrypted_id else direction.candidate_id
    )


@contextmanager
def _only_warned(files: Files) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a faulty report must not fail a cutover or hide why one failed
        message = str(error) if isinstance(error, MigrationError) else f"{type(error).__name__}: {error}"
        files.warn(f"the reports are not up to date ({message})")
