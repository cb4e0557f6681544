"""The engine versions that the sandbox has servers for."""

from __future__ import annotations

from sandbox.rds.errors import invalid_combination

__all__ = ["VERSIONS", "resolve_version"]

# By what a request may say; the newest is what a request without a version gets.
VERSIONS = {"5.7": "5.7.22", "8.0": "8.0.31"}


def resolve_version(given: str | None) -> str:
    """Return the full version of a request's EngineVersion."""
    if given is None:
        return VERSIONS["8.0"]
    if given in VERSIONS.values():
        return given
    if given in VERSIONS:
        return VERSIONS[given]
    raise invalid_combination(f"Cannot find version {given} for mysql")
