"""Parameters of a running server: the server itself says which are dynamic."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pymysql

from dev.sandbox.mysql.errors import MySQLServerError
from dev.sandbox.mysql.options import canonical
from dev.sandbox.mysql.sessions import AdminSession, execute

__all__ = ["apply_parameters"]

_UNKNOWN = 1193
_WRONG_TYPE = 1232
# "is a read only variable", "is a SESSION variable", "is a non persistent read only variable"
_NOT_DYNAMIC = (1238, 1228, 1229)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_LOCK_WAIT = 30


def apply_parameters(
    session: AdminSession, parameters: Mapping[str, str | None], defaults: Mapping[str, str]
) -> list[str]:
    """SET GLOBAL each; returns the names (as given) of those that wait for a restart. None: back to the default."""
    execute(session, f"SET SESSION lock_wait_timeout = {_LOCK_WAIT}")
    pending = []
    for name, value in parameters.items():
        variable = _variable(name)
        new_value = value if value is not None else defaults.get(_start_option(variable))
        try:
            _set_global(session, variable, new_value)
        except pymysql.err.MySQLError as error:
            if error.args[0] in (*_NOT_DYNAMIC, _UNKNOWN):
                pending.append(name)
                continue
            raise MySQLServerError(
                f"The server refused {name} = {new_value}: {error.args[1]} ({error.args[0]})."
            ) from error
    return pending


def _set_global(session: AdminSession, variable: str, value: str | None) -> None:
    if value is None:
        execute(session, f"SET GLOBAL `{variable}` = DEFAULT")
        return
    if _NUMBER.fullmatch(value):
        try:
            execute(session, f"SET GLOBAL `{variable}` = {value}")
        except pymysql.err.MySQLError as error:
            if error.args[0] != _WRONG_TYPE:
                raise
        else:
            return
    elif (size := _size(value)) is not None and _try_number(session, variable, size):
        return
    execute(session, f"SET GLOBAL `{variable}` = %s", (value,))


def _try_number(session: AdminSession, variable: str, value: int) -> bool:
    try:
        execute(session, f"SET GLOBAL `{variable}` = {value}")
    except pymysql.err.MySQLError as error:
        if error.args[0] != _WRONG_TYPE:
            raise
        return False
    return True


def _size(value: str) -> int | None:
    """Bytes, for the option files' "32M", which SET does not know."""
    match = re.fullmatch(r"(\d+)([KMG])", value)
    return int(match.group(1)) << {"K": 10, "M": 20, "G": 30}[match.group(2)] if match else None


def _variable(name: str) -> str:
    variable = canonical(name)
    if re.fullmatch(r"[a-z0-9_.]+", variable) is None:
        raise MySQLServerError(f"{name!r} is not a parameter's name.")
    return "transaction_isolation" if variable == "tx_isolation" else variable


def _start_option(variable: str) -> str:
    return "default_time_zone" if variable == "time_zone" else variable
