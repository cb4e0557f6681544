"""Write fence: in method ``offline``, makes the source refuse writes from before its snapshot until the cutover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass

import pulumi

from providers.arguments import StepArgs
from providers.resource import StepResource
from providers.step import Outputs, Step, StepContext
from rds_encrypt.aws import snapshots
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.cutover.fence import ParameterGroupFence, group_cannot
from rds_encrypt.cutover.fences import lift
from rds_encrypt.cutover.snapshot_age import require_none_stale
from rds_encrypt.cutover.timeline import Moment, Timeline
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import writes
from rds_encrypt.mysql.coordinates import Coordinates, current
from rds_encrypt.names import Names

__all__ = ["WriteFence", "WriteFenceArgs", "WriteFenceProvider"]


@dataclass(frozen=True, kw_only=True)
class WriteFenceArgs(StepArgs):
    """The arguments of `WriteFence`.

    Attributes:
        group: the owner's parameter group.
        seconds: how long the fence may take to close.
    """

    group: str
    seconds: float


class WriteFenceProvider(Step[WriteFenceArgs]):
    """Closes the fence. Outputs: ``file``, ``position``, ``moments``."""

    identity = ("source_id",)

    def perform(self, context: StepContext, args: WriteFenceArgs) -> Outputs:
        """Close the fence, end what still writes, and return the source's final coordinates.

        Once the name has begun to move, production runs with the group that carried the fence. Then a new state only takes over what
        the cutover has left.
        """
        fence, timeline = _fence(context, args), Timeline()
        source = context.instances.get(args.source_id)
        if context.moved(source.resource_id):
            return {**_left_behind(context, source), "moments": {}}
        with context.access.session(source) as session:
            left = list(_left(context, source))
            require_none_stale(session, source, left)
            _require_group(context, source, args.group)
            timeline.mark(Moment.FENCE_REQUESTED)
            # One that a copy depends on stays closed.
            copied = any(tags.get(Tag.MIGRATION) == source.resource_id for _what, tags in left)
            keep = copied and Tag.FENCE_BEFORE in source.tags
            with nullcontext() if keep else _lifted_on_failure(context, args):
                fence.apply(session, deadline=args.seconds)
                writes.require_settled(session)
                timeline.mark(Moment.FENCED)
                final = writes.settled_coordinates(session)
        return {"file": final.file, "position": final.position, "moments": timeline.as_outputs()}

    def seen(self, context: StepContext, args: WriteFenceArgs) -> Outputs | None:
        """Tell whether the fence still holds; a source that does not run, or has lost its name, counts as fenced."""
        source = context.usable(args.source_id)
        if source is None or context.moved(source.resource_id):
            return {}
        with context.session(args.source_id) as session:
            return {} if writes.read_only(session) else None

    def undo(self, context: StepContext, args: WriteFenceArgs) -> None:
        """Lift the fence, unless the names have begun to move: then the old instance stays fenced."""
        source = context.instances.find(args.source_id)
        if source is None:
            return
        if context.moved(source.resource_id):
            return
        lift(context.aws, context.access, source, args.group)


@contextmanager
def _lifted_on_failure(context: StepContext, args: WriteFenceArgs) -> Iterator[None]:
    """Give the source back if the fence cannot be completed."""
    try:
        yield
    except BaseException as cause:
        try:
            lift(context.aws, context.access, context.instances.get(args.source_id), args.group)
        except Exception as failure:  # noqa: BLE001 - both causes are raised, of any type
            raise BaseExceptionGroup(
                "the fence failed, and so did lifting it; run `pulumi up` again, or `pulumi destroy`, which lifts it",
                [cause, failure],
            ) from cause
        raise


def _require_group(context: StepContext, source: Instance, group: str) -> None:
    """Require that the noted parameter group carries the fence of this instance, and of no other."""
    why = group_cannot(context.aws, group, source, None)
    if source.parameter_group != group:
        why = f"the migration noted parameter group {group}, and it uses {source.parameter_group} now"
    if why is not None:
        raise ActionRequired(
            f"the fence cannot be closed: {why}",
            where=source.identifier,
            fix=f"Give it {group} back, alone, and reboot it; or run `pulumi destroy` and begin again",
            safe="Nothing was changed",
        )


def _left_behind(context: StepContext, source: Instance) -> Outputs:
    """Return the coordinates of the cutover's snapshot; without a snapshot, the present ones of the source, which refuses writes."""
    # Strategy `rename` has renamed it.
    both = [Names(name) for name in (source.identifier, source.identifier.removesuffix("-old"))]
    candidates = [name for names in both for name in (names.replica, names.encrypted)]
    for snapshot in snapshots.existing(context.aws, candidates).values():
        if noted := snapshot.tags.get(Tag.COORDINATES):
            return asdict(Coordinates.parse(noted))
    with context.access.session(source) as session:
        return asdict(current(session))


def _left(context: StepContext, source: Instance) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield what an earlier run left, with its tags: snapshots, and the instance that RDS restored from them."""
    names = Names(source.identifier)
    existing = snapshots.existing(context.aws, [names.replica, names.encrypted])
    yield from ((f"snapshot {name}", snapshot.tags) for name, snapshot in existing.items())
    yield from (
        (name, instance.tags) for name, instance in context.instances.named([names.encrypted]).items()
    )


def _fence(context: StepContext, args: WriteFenceArgs) -> ParameterGroupFence:
    return ParameterGroupFence(context.instances, ParameterGroups(context.aws), args.source_id, args.group)


class WriteFence(StepResource, provider=WriteFenceProvider):
    """The source, read-only while its snapshot becomes the encrypted instance."""

    file: pulumi.Output[str]
    position: pulumi.Output[int]
    moments: pulumi.Output[dict[str, str]]
