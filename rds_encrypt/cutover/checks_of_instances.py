"""Checks of what AWS reports: the two instances, their settings and storage."""

from __future__ import annotations

from rds_encrypt.aws import metrics
from rds_encrypt.check import Finding, failed, passed
from rds_encrypt.core.words import gib
from rds_encrypt.cutover import growth
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.mysql.session import Session
from rds_encrypt.settings_diff import differences

__all__ = [
    "FREE_PERCENT",
    "free_storage",
    "instances_available",
    "settings_match",
    "volume_initialized",
]

FREE_PERCENT = 5
"""Of an instance's storage: with less, RDS is about to stop it as `storage-full`."""


def instances_available(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """Both instances are available, nothing is pending on them, and their groups are in effect."""
    for instance in (context.primary(), context.candidate()):
        if not instance.available:
            return failed(f"{instance.identifier} is {instance.status}")
        if pending := instance.description.get("PendingModifiedValues"):
            return failed(f"{instance.identifier} has pending modifications ({', '.join(pending)})")
        if waiting := instance.groups_not_in_sync:
            return failed(f"{instance.identifier} runs without {', '.join(waiting)} in effect")
    return passed("both instances are available, nothing is pending")


def settings_match(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """Nobody has changed a setting of the primary that applications would miss after the cutover."""
    primary, candidate = context.primary(), context.candidate()
    unlike = differences(primary, candidate)
    later = {difference.setting: growth.harmless(context, candidate, difference) for difference in unlike}
    if missing := [difference for difference in unlike if later[difference.setting] is None]:
        how = ""
        if context.snapshot_coordinates is not None:
            how = "; run `pulumi up` again, which gives it these settings; set tags on it yourself"
        elif context.direction.forward:
            how = "; `pulumi up` in phase `replicate` gives it these settings"
        return failed(
            f"{candidate.identifier} is not like {primary.identifier}: {'; '.join(map(str, missing))}{how}",
        )
    if unlike:
        return passed("; ".join(filter(None, later.values())))
    return passed(f"{candidate.identifier} has all settings of {primary.identifier}")


def free_storage(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """Neither volume is nearly full, by CloudWatch's last figure: binlogs and relay logs grow while one side waits."""
    figures = []
    for instance in (context.primary(), context.candidate()):
        free = metrics.free_storage(context.aws, instance.identifier)
        if free is None:
            figures.append(f"no figure for {instance.identifier}")
            continue
        percent = 100 * free / (instance.allocated_gib * 2**30)
        figures.append(f"{instance.identifier} has {gib(free)} free ({percent:.0f} %)")
        if percent < FREE_PERCENT:
            return failed(f"{figures[-1]}, less than {FREE_PERCENT} %")
    return passed("; ".join(figures))


def volume_initialized(context: CutoverContext, _primary: Session, _candidate: Session) -> Finding:
    """A restored volume has been loaded from its snapshot, so that the first hours after the cutover are not slow ones."""
    candidate = context.candidate()
    status = candidate.description.get("StorageOperationStatus")
    done = candidate.description.get("StorageOperationPercentProgress")
    if not status or status in {"completed", "none"} or done in (None, 100):
        return passed(f"the storage of {candidate.identifier} is loaded, as far as RDS says")
    return failed(f"the storage of {candidate.identifier} is {status} ({done} %)")
