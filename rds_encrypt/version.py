"""The version of rds-encrypt, which tags and reports record."""

from __future__ import annotations

from typing import Final

__all__ = ["VERSION", "newer"]

VERSION: Final = "0.1.0"


def newer(version: str) -> bool:
    """Whether another version is newer than this one; the third number marks fixes only, and does not count."""
    return _parts(version) > _parts(VERSION)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
