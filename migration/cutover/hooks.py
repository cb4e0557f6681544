"""The user's part in a cut-over: commands that may veto or announce it, and the release of a postponed one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from foundation.errors import NeedsHuman
from foundation.waiting import Wait, until
from migration import journal
from migration.cutover.site import Site

__all__ = ["run", "wait_for_release"]

_DAY = 86400.0


def run(site: Site, which: str, command: tuple[str, ...]) -> None:
    """Run a hook; it finds the instances in environment variables that begin with ``RDS_ENCRYPT_``.

    Raises:
        NeedsHuman: it could not be started, took longer than five minutes, or said no.
    """
    site.progress(f"hook {which}: {command[0]}")
    losing, winning = site.find_losing(), site.winning()
    environment = {
        **os.environ,
        "RDS_ENCRYPT_EVENT": f"{site.course.verb} {which}",
        "RDS_ENCRYPT_IDENTIFIER": site.names.source,
        "RDS_ENCRYPT_FROM_ADDRESS": (losing.address if losing is not None else None) or "",
        "RDS_ENCRYPT_TO_ADDRESS": winning.address or "",
    }
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NeedsHuman(
            f"hook `{which}` could not be run ({error})",
            where=site.names.source,
            fix=f"Correct `cutover.hooks.{which}`",
        ) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NeedsHuman(
            f"hook `{which}` said no (exit {done.returncode}{': ' + said[-1] if said else ''})",
            where=site.names.source,
            fix="Run `pulumi up` again when it agrees",
        )


def wait_for_release(site: Site, still_green: Callable[[], object]) -> None:
    """Hold the cut-over, guards green, until an operator tags the source.

    Raises:
        NeedsHuman: a guard turned red.
        TimedOut: nobody released it for a day.
    """

    def released() -> bool:
        still_green()
        return any(journal.RELEASE in instance.tags for instance in site.both())

    until(
        Wait(
            f"somebody to release the {site.course.verb} of {site.names.source}", deadline=_DAY, longest=10.0
        ),
        released,
        done=bool,
        describe=lambda _: f"postponed, guards green: tag the instance with {journal.RELEASE}=now to go on",
        progress=site.progress,
    )
