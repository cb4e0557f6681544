"""A master password that RDS keeps in a secret of its own, and what it refuses for instances that have one."""

from __future__ import annotations

import json
import secrets
import uuid

from moto.secretsmanager.models import secretsmanager_backends

from dev.sandbox.rds.errors import invalid_combination, invalid_value
from dev.sandbox.rds.model import DBInstance
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters

__all__ = [
    "begin",
    "check_create",
    "check_modify",
    "end",
    "keep",
    "new_password",
    "refuse_on_restore",
    "refuse_replica",
]


def new_password() -> str:
    return f"rds-{secrets.token_hex(14)}"


def begin(region: Region, instance: DBInstance) -> str:
    """Put the master user into a secret of RDS's, and return the new password."""
    password = new_password()
    keep(region, instance, password)
    return password


def keep(region: Region, instance: DBInstance, password: str) -> None:
    """Let RDS's secret of the instance hold this password."""
    end(region, instance)
    content = {"username": instance.master_username, "password": password}
    made = secretsmanager_backends[region.account_id][region.name].create_managed_secret(
        service_name="rds",
        secret_id=f"rds!db-{uuid.uuid4()}",
        secret_string=json.dumps(content),
        description=f"The secret associated with the primary RDS DB instance: {region.arn('db', instance.identifier)}",
    )
    instance.master_secret_arn = made.arn


def end(region: Region, instance: DBInstance) -> None:
    """Delete RDS's secret: from here on the password is its owner's."""
    if instance.master_secret_arn is None:
        return
    secretsmanager_backends[region.account_id][region.name].delete_secret(
        instance.master_secret_arn, recovery_window_in_days=None, force_delete_without_recovery=True
    )
    instance.master_secret_arn = None


def check_create(parameters: Parameters) -> None:
    """A password is given, or RDS makes one."""
    if parameters.get("ManageMasterUserPassword") and parameters.get("MasterUserPassword"):
        raise _both()


def check_modify(instance: DBInstance, parameters: Parameters) -> None:
    """Botocore's text of ManageMasterUserPassword in ModifyDBInstance says what goes together."""
    manage = parameters.get("ManageMasterUserPassword")
    given = parameters.get("MasterUserPassword")
    if given and (manage or (manage is None and instance.master_secret_arn is not None)):
        raise _both()
    if manage is False and instance.master_secret_arn is not None and not given:
        raise invalid_combination(
            "You must specify MasterUserPassword to stop managing it in Secrets Manager."
        )
    if parameters.get("RotateMasterUserPassword"):
        raise invalid_combination("The sandbox rotates no managed master user passwords.")


def refuse_on_restore(parameters: Parameters) -> None:
    """Botocore's text of RestoreDBInstanceFromDBSnapshot: the flag "applies to RDS for Oracle only"."""
    if parameters.get("ManageMasterUserPassword"):
        raise invalid_combination(
            "ManageMasterUserPassword is not supported for a restore with engine mysql."
        )


def refuse_replica(source: DBInstance) -> None:
    """A source whose password RDS manages can't have replicas."""
    if source.master_secret_arn is not None:
        raise invalid_value(
            "Creating read replicas for source instance with engine mysql where ManageMasterUserPassword is enabled is "
            "not supported."
        )


def _both() -> Exception:
    return invalid_combination(
        "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled."
    )
