"""What RDS says about names: which are allowed, and what the ARNs look like."""

from __future__ import annotations

import re
import secrets
import string

from dev.sandbox.rds.errors import invalid_value

__all__ = ["arn", "checked", "instance_identifier", "name_from_arn", "new_resource_id"]

_ALPHABET = string.ascii_uppercase + string.digits


def checked(value: str, parameter: str, *, longest: int = 255, extra: str = "") -> str:
    """Return the name of a snapshot or a group as RDS keeps it: checked and in lower case."""
    well_formed = re.fullmatch(rf"[A-Za-z][A-Za-z0-9{extra}-]*", value) is not None
    if not well_formed or len(value) > longest or "--" in value or value.endswith("-"):
        raise invalid_value(
            f"The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain "
            "only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )
    return value.lower()


def instance_identifier(value: str, parameter: str = "DBInstanceIdentifier") -> str:
    """Return the identifier as RDS keeps it: checked and in lower case."""
    return checked(value, parameter, longest=63)


def new_resource_id() -> str:
    """Make a DbiResourceId, which no rename ever changes."""
    return "db-" + "".join(secrets.choice(_ALPHABET) for _ in range(26))


def arn(region: str, account_id: str, kind: str, name: str) -> str:
    """Build the ARN of an RDS resource; `kind` is RDS's short word for it (db, snapshot, pg, og, subgrp)."""
    return f"arn:aws:rds:{region}:{account_id}:{kind}:{name}"


def name_from_arn(value: str, kind: str) -> str:
    """Return the name in an ARN of that kind; anything that is not an ARN is a name already."""
    prefix, _, name = value.partition(f":{kind}:")
    return name if prefix.startswith("arn:aws:rds:") and name else value
