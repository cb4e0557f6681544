"""The floor: what two renames cost when nothing else happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pymysql

from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, connect

__all__ = ["swap_barely"]

_LOOK = 0.1
_DEADLINE = 300.0


def swap_barely(
    rds: Any, *, name: str, aside: str, successor: str, where: Address, who: Credentials
) -> float:
    """Rename ``name`` to ``aside``, then ``successor`` to ``name``; return the seconds until the name takes a connection.

    The clock runs from the first request on. The instance is looked at every 0.1 s, the name is tried every 0.02 s, as the
    application does; nobody writes.
    """
    begun = time.monotonic()
    rds.modify_db_instance(DBInstanceIdentifier=name, NewDBInstanceIdentifier=aside, ApplyImmediately=True)
    _await(lambda: _available(rds, aside), _LOOK, f"`{aside}` to be available")
    rds.modify_db_instance(
        DBInstanceIdentifier=successor, NewDBInstanceIdentifier=name, ApplyImmediately=True
    )
    _await(lambda: _answers(where, who), 0.02, f"`{name}` to answer")
    seconds = time.monotonic() - begun
    _await(lambda: _available(rds, name), _LOOK, f"`{name}` to be available")
    return seconds


def _await(done: Callable[[], bool], pause: float, what: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_DEADLINE:.0f} s for {what}")
        time.sleep(pause)


def _available(rds: Any, identifier: str) -> bool:
    """A filter finds nothing where a name would be an error; in mid-rename no name leads anywhere."""
    instances = rds.describe_db_instances(Filters=[{"Name": "db-instance-id", "Values": [identifier]}])[
        "DBInstances"
    ]
    return bool(instances) and instances[0]["DBInstanceStatus"] == "available"


def _answers(where: Address, who: Credentials) -> bool:
    try:
        connect(where, who, timeout=5.0).close()
    except (pymysql.err.MySQLError, OSError):
        return False
    return True
