"""What steps write for people when they are done. Nothing depends on it, so what keeps it from being written is a warning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from providers.progress import warning_for
from providers.step import Inputs, StepContext
from rds_encrypt.aws.instances import Instance
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.names import Names
from rds_encrypt.reports import handover, report
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.handover import Handover
from rds_encrypt.reports.lag_log import LagLog

__all__ = ["after_cleanup", "after_cutover", "files_of", "hand_over", "lag_log"]


def files_of(inputs: Inputs) -> Files:
    """Return the files of a step's source; what goes wrong with them is a warning in the step's row."""
    return Files(inputs["identifier"], warn=warning_for(inputs.get("urn")))


@contextmanager
def lag_log(source: Instance, inputs: Inputs) -> Iterator[LagLog]:
    """Keep a log of the lag for the length of a ``with`` block; a source is called by its own name until the cutover."""
    log = LagLog(Files(source.identifier, warn=warning_for(inputs.get("urn"))), inputs["encrypted_id"])
    try:
        yield log
    finally:
        log.close()


def after_cutover(cutover: CutoverContext, files: Files) -> None:
    """Write the report, whatever the cutover came to."""
    with _only_warned(files):
        encrypted_id, source_id = cutover.direction.encrypted_id, _source_id(cutover)
        found = cutover.instances.find_several([source_id, encrypted_id])
        report.publish(
            files, report.facts_of(found.get(source_id), found.get(encrypted_id) or cutover.encrypted())
        )


def hand_over(cutover: CutoverContext, files: Files) -> None:
    """Write the hand-over once the encrypted instance carries production, and withdraw it once it does not any more."""
    with _only_warned(files):
        if cutover.direction.candidate_id == cutover.direction.encrypted_id:
            handover.write(files, Handover(cutover.encrypted(), _source_id(cutover), cutover.names.source))
        else:
            handover.withdraw(files)


def after_cleanup(context: StepContext, inputs: Inputs, outputs: Mapping[str, Any]) -> None:
    """Write the report again, with what is gone and what is left."""
    files = files_of(inputs)
    with _only_warned(files):
        source_id, encrypted_id = inputs["source_id"], inputs["encrypted_id"]
        found = context.instances.find_several([source_id, encrypted_id])
        production = found.get(encrypted_id) or context.instances.get(encrypted_id)
        facts = report.facts_of(found.get(source_id), production)
        # Compared at the cutover, when both ran; one that is stopped or gone has nothing to add.
        facts.pop("settings", None)
        report.publish(files, {**facts, "cleanup": _cleanup(Names(inputs["identifier"]), outputs)})


def _cleanup(names: Names, outputs: Mapping[str, Any]) -> dict[str, Any]:
    old, status = outputs["old"], outputs["old_status"]
    gone = [
        f"instance {names.replica}, the replica",
        "reverse replication, and with it the rollback path",
        "the accounts of the migration, and its setting of the binlog retention",
        "snapshots of the migration, which Pulumi deletes after this step",
    ]
    left = [f"instance {names.source}, or what applications use in its place: production, encrypted"]
    if status == "deleted":
        gone.append(f"instance {old}")
        left.append(f"snapshot {names.old}-final, taken before that, if it has not been deleted since")
        unencrypted = f"snapshot {names.old}-final, until somebody deletes it"
    else:
        left += [
            f"instance {old}, {status}, with its automated backups; `cleanup.old: delete` may delete it from {outputs['keep_until']} on",
            f"parameter group {names.fence}, which keeps it read-only",
        ]
        unencrypted = f"instance {old} and its backups, until `cleanup.old` is set to `delete`, from {outputs['keep_until']} on"
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
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a report, it must not fail a cutover or hide why one failed
        told = str(error) if isinstance(error, MigrationError) else f"{type(error).__name__}: {error}"
        files.warn(f"what is written for people is not up to date ({told})")
