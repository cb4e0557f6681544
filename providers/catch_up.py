"""Catch-up: waits until the encrypted instance has executed everything that the source had written at one check."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pulumi

from providers.arguments import EncryptedArgs
from providers.reports import lag_log
from providers.resource import StepResource
from providers.step import HOUR, Outputs, Step, StepContext
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.durability import Durability, crash_safe
from rds_encrypt.mysql import lag
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.session import Session
from rds_encrypt.names import Names
from rds_encrypt.state import state_of

__all__ = ["CatchUp", "CatchUpArgs", "CatchUpProvider"]


@dataclass(frozen=True, kw_only=True)
class CatchUpArgs(EncryptedArgs):
    """The arguments of `CatchUp`.

    Attributes:
        hours: the longest wait, in hours.
        relax_above: MB of lag above which commits need not be flushed; ``None``: never.
    """

    hours: float
    relax_above: float | None = None


class CatchUpProvider(Step[CatchUpArgs]):
    """Waits. Outputs: ``in_sync_at``: coordinates; ``relaxed``: parameters that the step changed and restored."""

    identity = ("encrypted_id", "source_id")
    # It matters only while the step runs.
    ignored = (*Step.ignored, "relax_above")

    def perform(self, context: StepContext, args: CatchUpArgs) -> Outputs:
        """Wait and show the lag; however this ends, the owner's durability settings are in effect again."""
        source, encrypted = context.instances.get_several(args.source_id, args.encrypted_id)
        if state_of(encrypted=encrypted).cutover_begun:
            # The state was lost after the cutover: production has no source.
            return {"in_sync_at": "", "relaxed": []}
        relaxed: list[str] = []
        with (
            context.access.session(source) as ahead,
            context.access.session(encrypted) as behind,
            lag_log(source, args) as log,
        ):

            def catch_up() -> Coordinates:
                return lag.catch_up(
                    ahead,
                    behind,
                    deadline=args.hours * HOUR,
                    progress=context.progress,
                    watch=log.add,
                )

            durability = _durability(context, source, encrypted)
            if durability is not None:
                durability.put_back()  # Undoes what a killed run left.
                if _may_relax(context, args, encrypted, ahead, behind):
                    with durability.relaxed() as relaxed:
                        catch_up()
            # In sync, with the owner's settings in effect.
            reached = catch_up()
        return {"in_sync_at": str(reached), "relaxed": relaxed}


def _durability(context: StepContext, source: Instance, encrypted: Instance) -> Durability | None:
    """Return what can be relaxed; ``None`` if the instance does not use the parameter group made for it."""
    group = encrypted.parameter_group
    if group != Names(source.identifier).encrypted:
        return None
    session = partial(context.session, encrypted.resource_id)
    return Durability(ParameterGroups(context.aws), group, source.parameter_group, session, context.progress)


def _may_relax(
    context: StepContext, args: CatchUpArgs, instance: Instance, source: Session, encrypted: Session
) -> bool:
    limit = args.relax_above
    return (
        limit is not None
        and lag.measure(source, encrypted).bytes > limit * 1e6
        and crash_safe(encrypted)
        and _alone(context, instance)
    )


def _alone(context: StepContext, instance: Instance) -> bool:
    """Whether no other instance uses its parameter group."""
    group = instance.parameter_group
    users = [user.resource_id for user in context.instances.all() if group in user.parameter_groups]
    return users == [instance.resource_id]


class CatchUp(StepResource, provider=CatchUpProvider):
    """The encrypted instance, in sync with the source."""

    in_sync_at: pulumi.Output[str]
    relaxed: pulumi.Output[list[str]]
