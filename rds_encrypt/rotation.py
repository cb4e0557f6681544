"""A master password changed during a migration: RDS changes it only on the instance that the call names.

Neither replication nor the snapshot carries the change over, so the other instances of the migration would refuse the account from
then on. rds-encrypt gives them the password that production accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import Retryable
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.discovery import find_encrypted
from rds_encrypt.journal import Role, Tag, belongs
from rds_encrypt.mysql.session import Credentials
from rds_encrypt.state import state_of

__all__ = ["give", "missed"]

Accepts = Callable[[Instance], bool]
_DEADLINE = 900.0


def missed(aws: Aws, instance: Instance, account: Credentials, accepts: Accepts) -> bool:
    """Whether an instance that refuses the account has only missed a change that production accepts.

    RDS can change only the master user's password. Production accepts the account, so the secret is right.
    """
    production = _production(Instances(aws), instance)
    return (
        production is not None
        and production.resource_id != instance.resource_id
        and production.available
        and account.user == instance.description.get("MasterUsername")
        and accepts(production)
    )


def give(aws: Aws, instance: Instance, account: Credentials, accepts: Accepts) -> None:
    """Give an instance the master password, and wait until it accepts it.

    Raises:
        ActionRequired: AWS refused.
        TimedOut: it still refused the account at the deadline.
    """
    instances = Instances(aws)

    def given() -> bool:
        current = instances.get(instance.resource_id)
        if not current.available:
            return False
        if accepts(current):
            return True
        with suppress(Retryable):  # busy: another step of this run may be setting the same password right now
            instances.modify(instance.resource_id, MasterUserPassword=account.password)
        return False

    until(
        Wait(f"{instance.identifier} to accept the new master password", deadline=_DEADLINE, first=2.0),
        given,
        done=bool,
        describe=lambda _: "it still refuses the new password, or is busy",
    )


def _production(instances: Instances, instance: Instance) -> Instance | None:
    """Return the instance that carries production in this one's migration: the one that its owner maintains."""
    source_id = instance.tags.get(Tag.MIGRATION)
    source = instances.find(source_id) if source_id else None
    encrypted = instance if belongs(instance.tags, Role.ENCRYPTED) else None
    if encrypted is None and source is not None:
        encrypted = find_encrypted(instances, source.resource_id, source)
    return encrypted if state_of(encrypted=encrypted).cutover_begun else source
