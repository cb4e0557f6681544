"""Checks of the phase itself, in every run: whether it can follow what has happened to the source so far."""

from __future__ import annotations

from collections.abc import Iterator

from rds_encrypt.check import Finding
from rds_encrypt.checks.context import CheckContext
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Tag
from rds_encrypt.phases import Method
from rds_encrypt.state import BY_HAND, state_of

__all__ = ["method_kept", "no_cutover_under_way", "phase_follows"]


def no_cutover_under_way(context: CheckContext) -> Iterator[Finding]:
    """No interrupted cutover or rollback must be completed, or undone, first."""
    for check in (_source_gone_in_a_rollback, _production_fenced, _other_strategy, _other_phase):
        if finding := check(context):
            yield finding
            return


def _source_gone_in_a_rollback(context: CheckContext) -> Finding | None:
    topology = context.topology
    if not topology.state.returning or topology.source is not None:
        return None
    return context.blocking(
        "a rollback has begun, and the source that was to take the name back no longer exists",
        where=topology.names.source,
        fix=BY_HAND,
        safe="The encrypted instance has every write",
    )


def _production_fenced(context: CheckContext) -> Finding | None:
    topology = context.topology
    if not topology.state.production_fenced or context.plan.phase == "rollback":
        return None
    return context.blocking(
        "a rollback was interrupted, and production is still read-only",
        where=topology.names.source,
        fix="Run `pulumi destroy`, which makes production writable and keeps it: rollback is no longer possible, because"
        f" {topology.rollback_lost}"
        if topology.rollback_lost
        else "Set `phase` to `rollback` and run `pulumi up`, which lifts the fence and begins again. To stay with the encrypted"
        " instance, let the hook `before` refuse that: docs/runbook.md, *Call off a cutover*",
        safe="No write is lost meanwhile",
    )


def _other_strategy(context: CheckContext) -> Finding | None:
    """Refuse a strategy that cannot complete the move under way, or undo it; by the tags alone, as the protocol goes on."""
    state, plan = state_of(encrypted=context.topology.encrypted), context.plan
    if state.cut_over and not state.returning and plan.phase != "rollback":
        return None  # complete
    began = state.strategy
    if began is None or (began == "rename") == (plan.strategy.name == "rename"):
        return None
    return context.blocking(
        f"the name began to move with strategy `{began}`, and the config says `{plan.strategy.name}`",
        where=context.topology.names.source,
        fix=f"Set `cutover.strategy` back to `{began}` and run `pulumi up` again",
        safe="No write is lost meanwhile",
    )


def _other_phase(context: CheckContext) -> Finding | None:
    topology, phase = context.topology, context.plan.phase
    safe = "No write is lost meanwhile"
    if topology.state.returning and phase != "rollback":
        what, way_out = "a rollback has begun and is not complete", "rollback"
    elif topology.state.cutover_begun and not topology.state.cut_over and phase != _ending(topology):
        what, way_out = "the cutover has begun and is not complete", _ending(topology)
    elif topology.state.opened_again and phase == "replicate":
        what, way_out = "the last tags of a rollback are still there", "rollback"
    elif topology.state.opened_again:
        return None
    elif topology.state.fenced and phase in {"replicate", "rollback"} and not _undoes_fence(context):
        what, way_out = "a cutover was interrupted, and the source is still fenced", "cutover"
        safe = ""  # what to say behind any fence
    else:
        return None
    return context.blocking(
        what,
        where=topology.names.source,
        fix=f"Set `phase` to `{way_out}` and run `pulumi up`, which completes it, or undoes it if it can. If Pulumi says that the stack"
        " is locked, and no other run is under way, run `pulumi cancel` first",
        safe=safe,
    )


def _ending(topology: Topology) -> str:
    """Return the phase that ends a cutover under way: `cleanup` without the source, since phase `cutover` declares it."""
    return "cutover" if topology.source is not None else "cleanup"


def _undoes_fence(context: CheckContext) -> bool:
    """Whether the phase deletes the step that closed the fence: `replicate` in method `offline`, once that step is in the state.

    It is if there is a snapshot; a run that was killed before that may have closed the fence without noting the step.
    """
    plan = context.plan
    if plan.phase != "replicate" or plan.method != "offline":
        return False
    return bool(context.around.snapshots([context.topology.names.replica]))


def method_kept(context: CheckContext) -> Iterator[Finding]:
    """The method is the one with which the migration began: the other would delete what this one needs."""
    plan, topology = context.plan, context.topology
    if plan.phase == "cleanup":
        return
    began = _began_with(topology)
    if began is not None and began != plan.method:
        yield context.blocking(
            f"the migration began with method `{began}`, and the config says `{plan.method}`",
            where=topology.names.source,
            fix=f"Set `method` back to `{began}`"
            + ("" if topology.state.cutover_begun else ", or begin again with `pulumi destroy`"),
            safe="Nothing was changed",
        )
    elif plan.method == "offline" and plan.phase == "rollback":
        yield context.blocking(
            "method `offline` has no rollback path",
            where=topology.names.source,
            fix="Continue with phase `cleanup`; the old instance has the data from before the cutover",
        )


def _began_with(topology: Topology) -> Method | None:
    """Return the method with which a migration attached or fenced the source; ``None`` before that."""
    source, encrypted = topology.source, topology.encrypted
    if source is not None and Tag.ATTACHED in source.tags:
        return "online"
    copied = encrypted is not None and Tag.COORDINATES in encrypted.tags
    return "offline" if copied or topology.state.fenced else None


def phase_follows(context: CheckContext) -> Iterator[Finding]:
    """The phase follows the one that the source has reached."""
    topology, phase = context.topology, context.plan.phase
    state, lost = topology.state, topology.rollback_lost
    if phase == "replicate" and state.cut_over:
        what = "the cutover is complete, so phase `replicate` is over"
        fix = "Set `phase` to `cleanup`" + ("" if lost else ", or to `rollback` to go back")
    elif phase == "cutover" and state.retired:
        what, fix = "phase `cleanup` has begun, so phase `cutover` is over", "Set `phase` to `cleanup`"
    elif phase == "cutover" and context.plan.method == "online" and topology.encrypted is None:
        what = "phase `cutover` needs an encrypted instance that replicates, and there is none"
        fix = "Set `phase` to `replicate` and run `pulumi up` first"
    elif phase == "rollback" and lost:
        what = f"rollback is no longer possible, because {lost}"
        phases = "`cleanup`" if state.retired else "`cleanup` or `cutover`"
        fix = f"Set `phase` to {phases}; production stays as it is"
    elif phase == "rollback" and not topology.can_roll_back:
        what = "there is no cutover to roll back"
        fix = "Set `phase` to the one that the source is in, `replicate` or `cleanup`"
    elif phase == "cleanup" and not state.cut_over and not (state.cutover_begun and topology.source is None):
        what = "phase `cleanup` needs the cutover to be complete, and it is not"
        fix = "Set `phase` to `cutover` and run `pulumi up` first"
    else:
        return
    yield context.blocking(what, where=topology.names.source, fix=fix)
