"""What a client of the account asks a database, beyond what the rehearsal's own client does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dev.sandbox.mysql.vocabulary import run
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.rehearse.client import Address, Connection

__all__ = ["account", "address", "rows", "value"]


def account(secrets: Any, secret: str) -> Credentials:
    """Read an account from Secrets Manager."""
    login = json.loads(secrets.get_secret_value(SecretId=secret)["SecretString"])
    return Credentials(login["username"], login["password"])


def address(rds: Any, identifier: str, authorities: Path) -> Address:
    """Look up where an instance answers."""
    endpoint = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]["Endpoint"]
    return Address(endpoint["Address"], endpoint["Port"], authorities)


def rows(connection: Connection, statement: str, *arguments: object) -> list[dict[str, Any]]:
    """Run one statement and return its rows."""
    with connection.cursor() as cursor:
        return run(cursor, statement, arguments or None)


def value(connection: Connection, statement: str, *arguments: object) -> Any:
    """Run one statement and return the first column of its first row."""
    result = rows(connection, statement, *arguments)
    return next(iter(result[0].values())) if result else None
