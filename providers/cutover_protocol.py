"""The protocol that cutover and rollback share, in two directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from providers.arguments import PairArgs
from providers.clean_errors import sentence
from providers.progress import remark_for, warning_for
from providers.reports import after_cutover, files_of, hand_over
from providers.step import Outputs, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import Cancelled, MigrationError
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.cutover.direction import Direction
from rds_encrypt.cutover.protocol import run
from rds_encrypt.cutover.reverse_replication import LOST, OPEN, UNCONFIRMED
from rds_encrypt.cutover.strategies import strategy_of
from rds_encrypt.cutover.timeline import outage
from rds_encrypt.mysql import channel, lag
from rds_encrypt.mysql.coordinates import Coordinates, current
from rds_encrypt.mysql.session import Session
from rds_encrypt.reports.logbook import Logbook
from rds_encrypt.reports.table import table
from rds_encrypt.settings import CutoverSettings, VerifySettings
from rds_encrypt.state import MigrationState, Position, find_position, state_of
from rds_encrypt.temporary_resources import silent_warn

__all__ = [
    "ProtocolArgs",
    "close_reverse_replication",
    "cutover_context",
    "outputs_from_tags",
    "position_of",
    "run_protocol",
    "warn",
]

_DRAIN = 300.0


@dataclass(frozen=True, kw_only=True)
class ProtocolArgs(PairArgs):
    """The arguments of both steps.

    Attributes:
        source_group: the owner's parameter group; empty once the source is gone.
        accept: the checks that need not pass, and why.
        snapshot_at: in method ``offline``, the coordinates of the fenced source.
        moments: in method ``offline``, when the fence closed.
    """

    source_group: str
    cutover: CutoverSettings
    verify: VerifySettings
    accept: Mapping[str, str] = field(default_factory=dict)
    snapshot_at: str | None = None
    moments: Mapping[str, str] = field(default_factory=dict)


def run_protocol(context: StepContext, args: ProtocolArgs, direction: Direction) -> Outputs:
    """Run the protocol, record what happened and when, and show that at the end."""
    cutover = cutover_context(context, args, direction)
    urn = args.urn
    files = files_of(args)
    logbook = Logbook(
        cutover,
        files,
        before=args.moments,
        sentence=lambda error: sentence(error) or f"{type(error).__name__}, which was not expected",
    )
    try:
        with logbook.kept():
            outcome = run(cutover)
            logbook.complete(outcome)
        if outcome.rollback_path != OPEN and cutover.snapshot_coordinates is None:
            what = "rollback path" if direction.forward else "replication to the encrypted instance"
            warning_for(urn)(
                f"{cutover.names.source}: the {direction.verb} is complete; {what} {outcome.rollback_path}"
            )
    finally:
        remark_for(urn)(f"{table(logbook.content)}\nSaved in {logbook.path}.")
        after_cutover(cutover, files)
        warn(args, cutover)
    hand_over(cutover, files)
    context.progress(f"done: {outcome.server_uuid} answers")
    refused = outage(cutover.timeline.moments)
    return {
        "server_uuid": outcome.server_uuid,
        "final_coordinates": outcome.final,
        "timeline": cutover.timeline.as_outputs(),
        "write_outage": refused.as_outputs() if refused else None,
        "unenabled_events": list(outcome.unenabled_events),
        "accepted_checks": list(outcome.accepted),
        "rollback_path": outcome.rollback_path,
    }


def warn(args: ProtocolArgs, cutover: CutoverContext) -> None:
    """Show the failures of parts that production does not need."""
    show = warning_for(args.urn)
    for warning in cutover.aside.warnings:
        show(warning)


def outputs_from_tags(context: StepContext, direction: Direction, state: MigrationState) -> Outputs:
    """Return the outputs of a complete cutover whose state was lost, as far as the encrypted instance's tags hold them."""
    with context.session(direction.candidate_id) as session:
        uuid = str(session.value("SELECT @@server_uuid"))
    return {
        "server_uuid": uuid,
        "final_coordinates": "",
        "timeline": {str(moment): when for moment, when in direction.moments(state).items()},
        "write_outage": None,
        "unenabled_events": [],
        "accepted_checks": [],
        "rollback_path": _noted_path(context, direction, state),
    }


def _noted_path(context: StepContext, direction: Direction, state: MigrationState) -> str:
    if reason := state.rollback_lost:
        return f"{LOST}{reason}"
    old = context.instances.find(direction.primary_id)
    if old is None:
        return f"{LOST}{direction.primary_name} was deleted"
    return OPEN if old.available else f"{UNCONFIRMED}{old.identifier} is {old.status}"


def cutover_context(context: StepContext, args: ProtocolArgs, direction: Direction) -> CutoverContext:
    """Return the protocol's context."""
    return CutoverContext(
        aws=context.aws,
        access=context.access,
        names=args.names,
        direction=direction,
        source_group=args.source_group or _owner_group(context, args),
        strategy=strategy_of(args.cutover),
        settings=args.cutover,
        verify=args.verify,
        accept=args.accept,
        snapshot_coordinates=Coordinates.parse(args.snapshot_at) if args.snapshot_at else None,
        progress=context.progress,
    )


def _owner_group(context: StepContext, args: ProtocolArgs) -> str:
    """Return the owner's parameter group when the source, which used it, is gone: the description of our clone names it."""
    names = args.names
    group = context.instances.get(args.encrypted_id).parameter_group
    if group != names.encrypted:
        return group
    description = ParameterGroups(context.aws).description(names.encrypted) or ""
    return description.removesuffix(f", {names.group_purpose}")


def position_of(context: StepContext, args: ProtocolArgs) -> Position:
    """Return where the name is, by tags, or by a look-up where tags do not tell."""
    instances = context.instances.find_several([args.encrypted_id, args.source_id])
    encrypted = instances.get(args.encrypted_id) or context.instances.get(args.encrypted_id)
    return find_position(context.aws, args.names, encrypted, instances.get(args.source_id))


def close_reverse_replication(
    context: StepContext, source_id: str, encrypted_id: str, warn: Callable[[str], None] = silent_warn
) -> None:
    """Let the old instance execute what it can, then detach it; do nothing unless it follows the encrypted one.

    The rollback path ends here in any case, so a failure is only a warning.
    """
    instances = context.instances.find_several([encrypted_id, source_id])
    encrypted, old = instances.get(encrypted_id), instances.get(source_id)
    if encrypted is None or old is None or not state_of(encrypted=encrypted).cutover_begun:
        return
    if not (encrypted.serving and old.serving):
        return
    try:
        with context.access.session(old) as behind:
            _drain(context, encrypted, behind, warn)
            if channel.status(behind) is not None:
                channel.detach(behind)
    except Cancelled:
        raise
    except MigrationError as error:
        warn(f"reverse replication to {old.identifier} could not be reset: {error}")


def _drain(context: StepContext, encrypted: Instance, behind: Session, warn: Callable[[str], None]) -> None:
    """Let it execute everything written so far, if it still follows."""
    status = channel.status(behind)
    if status is None:
        return
    try:
        if status.running:
            with context.access.session(encrypted) as ahead:
                lag.drain(behind, current(ahead), deadline=_DRAIN)
        if not status.stopped:
            channel.stop(behind)
    except Cancelled:
        raise
    except MigrationError as error:
        warn(f"the old instance has not executed all writes: {error}")
