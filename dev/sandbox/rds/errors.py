"""The errors of RDS's API, with AWS's own codes and sentences."""

from __future__ import annotations

__all__ = [
    "RDSError",
    "already_exists",
    "busy",
    "instance_not_found",
    "invalid_combination",
    "invalid_state",
    "invalid_value",
    "snapshot_not_found",
]


class RDSError(Exception):
    """A refusal that a client sees; `code` and `message` are what moto's serialiser reads."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def invalid_value(message: str) -> RDSError:
    return RDSError("InvalidParameterValue", message)


def invalid_combination(message: str) -> RDSError:
    return RDSError("InvalidParameterCombination", message)


def invalid_state(message: str) -> RDSError:
    return RDSError("InvalidDBInstanceState", message)


def busy() -> RDSError:
    """RDS's answer to a Modify that can't be made now; it names no instance, and the status may well say `available`."""
    return invalid_state("Database instance is not in available state.")


def instance_not_found(identifier: str) -> RDSError:
    return RDSError("DBInstanceNotFound", f"DBInstance {identifier} not found.")


def snapshot_not_found(identifier: str) -> RDSError:
    return RDSError("DBSnapshotNotFound", f"DBSnapshot {identifier} not found.")


def already_exists(code: str, kind: str, name: str) -> RDSError:
    return RDSError(code, f"{kind} {name} already exists")
