"""Write fence: in method ``offline``, makes the source refuse writes from before its snapshot until the cutover."""

from __future__ import annotations

from typing import Any

import pulumi

from providers.step import Inputs, Outputs, Step, StepContext
from rds_encrypt import journal
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.cutover.fence import ParameterGroupFence
from rds_encrypt.cutover.timeline import Moment, Timeline
from rds_encrypt.mysql import writes

__all__ = ["WriteFence", "WriteFenceProvider"]


class WriteFenceProvider(Step):
    """Inputs: ``source_id``, ``group``, ``seconds`` for the fence to close. Outputs: ``file``, ``position``, ``moments``."""

    identity = ("source_id",)

    def perform(self, context: StepContext, inputs: Inputs) -> Outputs:
        """Close the fence, end what still writes, and return the source's final coordinates."""
        fence, timeline = _fence(context, inputs), Timeline()
        with context.session(inputs["source_id"]) as session:
            timeline.mark(Moment.FENCE_REQUESTED)
            fence.apply(session, deadline=float(inputs["seconds"]))
            writes.require_settled(session)
            timeline.mark(Moment.FENCED)
            final = writes.settled_coordinates(session)
        return {"file": final.file, "position": final.position, "moments": timeline.as_outputs()}

    def seen(self, context: StepContext, props: Inputs) -> Outputs | None:
        """Tell whether the fence still holds; a source that does not run counts as fenced."""
        if context.usable(props["source_id"]) is None:
            return dict(props)
        with context.session(props["source_id"]) as session:
            return dict(props) if writes.read_only(session) else None

    def undo(self, context: StepContext, props: Inputs) -> None:
        """Lift the fence, unless the names have begun to move: then the old instance stays fenced."""
        source = context.usable(props["source_id"])
        partner = source.tags.get(journal.PARTNER) if source is not None else None
        encrypted = context.instances.find(partner) if partner is not None else None
        if source is None or (encrypted is not None and journal.cutover_begun(encrypted.tags)):
            return
        fence = _fence(context, props)
        if not fence.put_back():
            return
        with context.session(props["source_id"]) as session:
            fence.reopen(session)


def _fence(context: StepContext, inputs: Inputs) -> ParameterGroupFence:
    return ParameterGroupFence(
        context.instances, ParameterGroups(context.aws), inputs["source_id"], inputs["group"]
    )


class WriteFence(pulumi.dynamic.Resource, module="rds", name="WriteFence"):
    """The source, read-only while its snapshot becomes the encrypted instance."""

    file: pulumi.Output[str]
    position: pulumi.Output[int]
    moments: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        outputs = {"file": None, "position": None, "moments": None}
        super().__init__(WriteFenceProvider(), name, {**outputs, **inputs}, opts)
