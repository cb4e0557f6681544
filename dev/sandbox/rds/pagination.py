"""Pages of a listing, with RDS's MaxRecords and Marker."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from dev.sandbox.rds.errors import invalid_value
from dev.sandbox.rds.registry import Parameters, Result

__all__ = ["filters", "page"]


def page(items: Sequence[Any], parameters: Parameters, key: str) -> Result:
    """Cut out the page that was asked for, and say where the next one begins."""
    size = parameters.get("MaxRecords") or 100
    if not 20 <= size <= 100:
        raise invalid_value(f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
    start = _offset(parameters.get("Marker"))
    result: Result = {key: list(items[start : start + size])}
    if start + size < len(items):
        result["Marker"] = base64.urlsafe_b64encode(f"offset:{start + size}".encode()).decode()
    return result


def _offset(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        return int(base64.urlsafe_b64decode(marker).decode().removeprefix("offset:"))
    except (binascii.Error, ValueError) as error:
        raise invalid_value("Invalid or corrupted Marker") from error


def filters(parameters: Parameters, known: Sequence[str]) -> dict[str, list[str]]:
    """Return the request's filters by name; one that the action doesn't know is refused."""
    by_name = {given["Name"]: given.get("Values", []) for given in parameters.get("Filters", [])}
    for name in by_name:
        if name not in known:
            raise invalid_value(f"Unrecognized filter name: {name}")
    return by_name
