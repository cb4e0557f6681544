"""Hooks, your commands that may veto or announce a cutover, and the release of a postponed one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Literal

from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.journal import Tag

__all__ = ["run", "wait_for_release"]

_DAY = 86400.0


def run(context: CutoverContext, which: Literal["before", "move", "after"]) -> None:
    """Run a hook, if there is one; it finds the instances in environment variables that begin with ``RDS_ENCRYPT_``.

    Raises:
        ActionRequired: it could not be started, took longer than five minutes, or failed.
    """
    command: tuple[str, ...] = getattr(context.settings.hooks, which)
    if not command:
        return
    context.progress(f"hook {which}: {command[0]}")
    primary, candidate = context.find_primary(), context.candidate()
    environment = {
        **os.environ,
        "RDS_ENCRYPT_EVENT": f"{context.direction.verb} {which}",
        "RDS_ENCRYPT_IDENTIFIER": context.names.source,
        "RDS_ENCRYPT_FROM_ADDRESS": (primary.address if primary is not None else None) or "",
        "RDS_ENCRYPT_TO_ADDRESS": candidate.address or "",
    }
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionRequired(
            f"hook `{which}` could not be run ({error})",
            where=context.names.source,
            fix=f"Correct `cutover.hooks.{which}`",
        ) from error
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip().splitlines()
        raise ActionRequired(
            f"hook `{which}` failed (exit {done.returncode}{': ' + output[-1] if output else ''})",
            where=context.names.source,
            fix="Run `pulumi up` again when it succeeds",
        )


def wait_for_release(context: CutoverContext, still_passing: Callable[[], object]) -> None:
    """Hold the cutover, checks passed, until an operator tags the source.

    Raises:
        ActionRequired: a check failed.
        TimedOut: no operator released it for a day.
    """

    def released() -> bool:
        still_passing()
        return any(Tag.RELEASE in instance.tags for instance in context.both())

    until(
        Wait(
            f"an operator to release the {context.direction.verb} of {context.names.source}",
            deadline=_DAY,
            longest=10.0,
        ),
        released,
        done=bool,
        describe=lambda _: f"postponed, checks passed: tag the instance with {Tag.RELEASE}=now to continue",
        progress=context.progress,
    )
    # It serves once, however this attempt ends.
    for instance in context.both():
        context.instances.untag(instance, [Tag.RELEASE])
