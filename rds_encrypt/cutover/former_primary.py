"""The instance that loses the name, after the point of no return: its state must not keep production from the name.

It may be deleted, stopped, full or unreachable by then. While it has the name it must give it up, so rds-encrypt starts or
enlarges it; afterwards it only has to refuse writes, since the fence around it is lifted for the candidate.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired, AnotherHost, MigrationError, Retryable
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.mysql.session import Session

__all__ = ["Unreachable", "await_harmless", "give_up_name", "grown", "make_room", "reach"]

_STOPPED, _STOPPING, _DELETING, _FULL = "stopped", "stopping", "deleting", "storage-full"
_GROWTH = 1.2
"""AWS refuses to enlarge storage by less than a tenth."""
_ATTEMPT = 4.0


class Unreachable(str):
    """Why there is no session on the primary, as a clause that begins with its name."""

    __slots__ = ("final",)

    final: bool
    """Whether that will not change: it was deleted, or is being deleted."""

    def __new__(cls, reason: str, *, final: bool = False) -> Unreachable:
        unreachable = super().__new__(cls, reason)
        unreachable.final = final
        return unreachable


def reach(context: CutoverContext, stack: ExitStack, *, deadline: float) -> Session | Unreachable:
    """Open a session on it, or return why not; wait while it restarts, or while its new name does not resolve."""
    until_then = time.monotonic() + deadline
    name = context.primary_name
    while True:
        instance = _present(context)
        if instance is None:
            return Unreachable(f"{name} was deleted", final=True)
        if instance.status == _DELETING:
            return Unreachable(f"{instance.identifier} is being deleted", final=True)
        if instance.status in {_STOPPED, _STOPPING} or instance.broken:
            return Unreachable(f"{instance.identifier} is {instance.status}")
        try:
            return stack.enter_context(context.access.session(instance, patience=_ATTEMPT))
        except (Retryable, AnotherHost) as error:
            if time.monotonic() > until_then:
                return Unreachable(f"{instance.identifier} cannot be reached ({error.what})")
        except MigrationError as error:
            return Unreachable(f"{instance.identifier} cannot be queried ({error.what})")
        time.sleep(0.5)


def give_up_name(context: CutoverContext) -> None:
    """Ask AWS for its new name and group, unless it is gone, or has them already.

    Raises:
        ActionRequired: AWS refused, for a reason that is not the instance's state.
        TimedOut: it kept the name for longer than a rename may take.
    """
    direction, instances, deadline = context.direction, context.instances, context.deadlines.rename
    until_then = time.monotonic() + deadline
    while time.monotonic() < until_then:
        instance = _present(context)
        if instance is None:
            context.warn(f"{context.names.source} is free: the instance that had the name was deleted")
            return
        if (
            instance.identifier == direction.primary_name
            and instance.parameter_group == direction.primary_group
        ):
            return
        if instance.status in {_DELETING, _STOPPING}:
            time.sleep(0.5)
            continue
        try:
            if not _helped(context, instance):
                break
        except Retryable:
            time.sleep(1.0)
    instances.ask_rename(
        direction.primary_id,
        direction.primary_name,
        parameter_group=direction.primary_group,
        deadline=deadline,
        progress=context.progress,
    )


def await_harmless(context: CutoverContext) -> None:
    """Wait until it has its name and its group, or cannot accept writes anyway: then the owner's group may be unfenced.

    Raises:
        TimedOut: it did neither for as long as a rename may take.
    """
    direction, rebooted = context.direction, False

    def look() -> Instance | None:
        nonlocal rebooted
        instance = _present(context)
        # The reboot of the rename puts the group into effect; if it did not, another one does.
        if (
            instance is not None
            and moved(instance)
            and _up(instance)
            and not instance.parameters_in_sync
            and not rebooted
        ):
            with suppress(Retryable):
                context.instances.ask_reboot(instance.resource_id)
                rebooted = True
        return instance

    def moved(instance: Instance) -> bool:
        return (
            instance.identifier == direction.primary_name
            and instance.parameter_group == direction.primary_group
        )

    def harmless(instance: Instance | None) -> bool:
        if instance is None:
            return True
        at_rest = instance.status == _STOPPED or instance.broken
        return moved(instance) and (at_rest or (_up(instance) and instance.parameters_in_sync))

    primary = until(
        Wait(
            f"it to be available as {direction.primary_name}, or to be gone",
            where=direction.primary_id,
            deadline=context.deadlines.rename,
            longest=0.3,
            advice="Read its events in the RDS console. If it does not come up, delete it: production no longer needs it."
            " Then run `pulumi up` again",
        ),
        look,
        done=harmless,
        describe=lambda instance: str(instance) if instance else "not listed",
        progress=context.progress,
    )
    if primary is None or not primary.serving:
        state = "was deleted" if primary is None else f"is {primary.status}"
        context.warn(f"{direction.primary_name} {state}; rds-encrypt did not wait for it")


def grown(gib: int) -> int:
    """Return the next size that AWS accepts for full storage."""
    return int(gib * _GROWTH) + 1


def _helped(context: CutoverContext, instance: Instance) -> bool:
    """Bring it into a state in which AWS renames it; return whether anything had to be done."""
    if instance.status == _STOPPED:
        context.warn(
            f"{instance.identifier} was stopped while it still had the name; rds-encrypt started it to rename it"
        )
        context.instances.start(
            instance.resource_id, deadline=context.deadlines.rename, progress=context.progress
        )
        return True
    if make_room(context, instance):
        return True
    if instance.broken:
        raise ActionRequired(
            f"it still has the name {context.names.source}, and AWS does not rename an instance whose status is {instance.status}",
            where=instance.identifier,
            fix=f"Delete it (`aws rds delete-db-instance --db-instance-identifier {instance.identifier} --skip-final-snapshot`):"
            f" {context.candidate().identifier} has all its data. Then run `pulumi up` again, which gives that instance the name",
            safe="No write is lost",
        )
    return False


def _up(instance: Instance) -> bool:
    return instance.serving and instance.parameter_status != "applying"


def make_room(context: CutoverContext, instance: Instance) -> bool:
    """Enlarge the storage of an instance that has to be renamed, if it is full; return whether it was.

    RDS does not rename an instance whose storage is full, and production is waiting for the name.
    """
    if instance.status != _FULL:
        return False
    size = grown(instance.allocated_gib)
    context.warn(
        f"the storage of {instance.identifier} was full; rds-encrypt enlarged it to {size} GiB so that RDS renames it"
    )
    context.instances.modify(instance.resource_id, AllocatedStorage=size)
    context.instances.wait(
        instance.resource_id,
        "have room again",
        lambda current: current.status != _FULL,
        deadline=context.deadlines.rename,
        progress=context.progress,
    )
    return True


def _present(context: CutoverContext) -> Instance | None:
    """Return it, or ``None`` once AWS has not listed it for long enough: a rename may hide it for a moment."""
    began = time.monotonic()
    while (instance := context.find_primary()) is None:
        if time.monotonic() - began > context.deadlines.gone:
            return None
        time.sleep(0.5)
    return instance
