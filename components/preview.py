"""The output of a preview: the plan of the phase, as text and as Markdown for a comment on a pull request."""

from __future__ import annotations

from typing import Final

import pulumi

from components.source import Source
from providers.cutover_protocol import ProtocolArgs, cutover_context
from providers.step import StepContext
from rds_encrypt.access import Access
from rds_encrypt.core.errors import MigrationError
from rds_encrypt.core.waiting import silent
from rds_encrypt.cutover.direction import cutover_direction, rollback_direction
from rds_encrypt.cutover.preview import CutoverPreview, preview_cutover
from rds_encrypt.plan.phases import plan
from rds_encrypt.plan.words import as_line, as_markdown, as_text
from rds_encrypt.reports.files import Files

__all__ = ["show_plan"]

_IN_FULL: Final = 4
"""Up to so many sources, a preview shows each plan in full; beyond, it shows one line each, and a file has the rest."""


def show_plan(source: Source, migration: pulumi.Resource) -> None:
    """Show in the migration's row what the phase will do, and write it to a file."""
    files = Files(source.names.source, warn=lambda message: pulumi.log.warn(message, resource=migration))
    try:
        phase_plan = plan(
            source.settings, source.phase, source.topology, _cutover_preview(source), source.existing.replicas
        )
    except MigrationError as error:
        pulumi.log.warn(f"the plan cannot be shown now: {error}", resource=migration)
        return
    written = files.write("plan.md", as_markdown(phase_plan, source.names.source, source.phase))
    if phase_plan is not None:
        brief = source.fleet.sources > _IN_FULL and not phase_plan.stopped
        pulumi.log.info(as_line(phase_plan, written) if brief else as_text(phase_plan), resource=migration)


def _cutover_preview(source: Source) -> CutoverPreview | None:
    """Run the checks of the cutover, if one between two instances is ahead."""
    encrypted, forward = source.topology.encrypted, source.phase == "cutover"
    ahead = source.phase in {"cutover", "rollback"} and source.topology.state.cut_over != forward
    if encrypted is None or not ahead or source.settings.method == "offline":
        return None
    direction = (cutover_direction if forward else rollback_direction)(
        source.names, source.source_id, encrypted.resource_id
    )
    context = StepContext(source.aws, Access(source.aws, source.access), silent)
    args = ProtocolArgs(
        source_id=source.source_id,
        encrypted_id=encrypted.resource_id,
        access=source.access,
        **source.cutover_inputs(),
    )
    return preview_cutover(cutover_context(context, args, direction))
