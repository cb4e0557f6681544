"""The preview of a cutover: what a cutover or rollback will do, and what its checks see now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rds_encrypt.cutover import checks
from rds_encrypt.cutover.context import CutoverContext, Move
from rds_encrypt.cutover.fences import fence_of
from rds_encrypt.cutover.timeline import CheckResult

__all__ = ["CONFIRM", "CutoverPreview", "preview_cutover"]

CONFIRM = Move(
    "confirm: which server answers, that it accepts writes, that the other one refuses them; enable events"
)


@dataclass(frozen=True)
class CutoverPreview:
    """What the checks see now, and the moves before and after the point of no return."""

    checks: tuple[CheckResult, ...]
    accept: Mapping[str, str]
    undoable: tuple[str, ...]
    final: tuple[Move, ...]


def preview_cutover(context: CutoverContext) -> CutoverPreview:
    """Check both instances; change nothing."""
    with context.sessions() as (primary, candidate):
        findings = checks.read(context, primary, candidate)
    now = context.still()
    return CutoverPreview(
        checks=tuple(CheckResult(name, finding.passed, finding.what) for name, finding in findings.items()),
        accept=context.accept,
        undoable=tuple(_undoable_moves(now)),
        final=(
            *context.strategy.moves(
                context.direction,
                now.primary().identifier,
                now.candidate().identifier,
                context.source_group,
            ),
            CONFIRM,
        ),
    )


def _undoable_moves(context: CutoverContext) -> list[str]:
    primary, candidate = context.primary().identifier, context.candidate().identifier
    moves = []
    if context.settings.postpone:
        moves.append("hold until an operator releases it")
    if before := context.settings.hooks.before:
        moves.append(f"run `{before[0]}`, which may veto")
    return [
        *moves,
        f"fence {primary}: {fence_of(context)}",
        f"drain: {candidate} executes the last change of {primary}",
        *(["compare the newest rows of both, for a second at most"] if context.verify.level != "off" else []),
        f"promote {candidate}, and let {primary} follow it from there",
    ]
