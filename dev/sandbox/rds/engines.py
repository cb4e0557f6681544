"""The engine versions that the sandbox has servers for."""

from __future__ import annotations

from datetime import date

from dev.sandbox.rds.clock import now
from dev.sandbox.rds.errors import invalid_combination

__all__ = ["LIFECYCLE_DISABLED", "VERSIONS", "require_support", "resolve_version"]

LIFECYCLE_DISABLED = "open-source-rds-extended-support-disabled"

# "Amazon RDS Extended Support", Amazon RDS User Guide; the last day of each major version's standard support.
_STANDARD_SUPPORT_ENDS = {"5.7": date(2024, 2, 29), "8.0": date(2026, 7, 31)}

# By what a request may say.
VERSIONS = {"5.7": "5.7.22", "8.0": "8.0.31", "9.7": "9.7.4"}


def resolve_version(given: str | None) -> str:
    """Return the full version of a request's EngineVersion."""
    if given is None:
        return VERSIONS["8.0"]
    if given in VERSIONS.values():
        return given
    if given in VERSIONS:
        return VERSIONS[given]
    raise invalid_combination(f"Cannot find version {given} for mysql")


def require_support(version: str, lifecycle: str | None, *, restored: bool = False) -> None:
    """Refuse a version past its standard support for an instance that must not enter Extended Support.

    botocore's texts differ: CreateDBInstance "will fail", RestoreDBInstanceFromDBSnapshot has the instance upgraded to a higher
    version. The sandbox has no server of a higher version, and a group of the old family would not fit it: it refuses both.
    """
    major = ".".join(version.split(".")[:2])
    ends = _STANDARD_SUPPORT_ENDS.get(major)
    if lifecycle != LIFECYCLE_DISABLED or ends is None or now().date() <= ends:
        return
    what = f"mysql {major} is past its end of standard support ({ends}), and EngineLifecycleSupport is {lifecycle}"
    if restored:
        raise invalid_combination(f"{what}: RDS would upgrade the restored DB instance.")
    raise invalid_combination(f"{what}.")
