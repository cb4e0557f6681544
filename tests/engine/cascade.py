"""A source whose replica has a replica, for the tests of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dev.sandbox.seed import await_available
from tests.engine.deployment import Deployment, driving
from tests.engine.readers import require_read, write
from tests.waiting import until

__all__ = ["ABOVE", "BELOW", "cascading", "chain", "require_counterparts"]

ABOVE = "orders-c1"
BELOW = "orders-c2"


@contextmanager
def cascading(directory: Path) -> Iterator[Deployment]:
    """Make a source, its replica and the replica of that."""
    with driving(directory) as deployment:
        rds = deployment.client("rds")
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=ABOVE, SourceDBInstanceIdentifier="orders", DBInstanceClass="db.t3.small"
        )
        await_available(rds, ABOVE)
        with pytest.raises(rds.exceptions.InvalidDBInstanceStateFault, match="Automated backups"):
            rds.create_db_instance_read_replica(DBInstanceIdentifier=BELOW, SourceDBInstanceIdentifier=ABOVE)
        rds.modify_db_instance(DBInstanceIdentifier=ABOVE, BackupRetentionPeriod=3, ApplyImmediately=True)
        until(lambda: deployment.instance(ABOVE)["BackupRetentionPeriod"] == 3)
        await_available(rds, ABOVE)
        rds.create_db_instance_read_replica(
            DBInstanceIdentifier=BELOW,
            SourceDBInstanceIdentifier=ABOVE,
            DBInstanceClass="db.t3.medium",
            Tags=[{"Key": "readers", "Value": "exports"}],
        )
        await_available(rds, BELOW)
        yield deployment


def chain(deployment: Deployment, name: str) -> list[str]:
    """Return the names of the instances that a replica gets its data through."""
    source = deployment.instance(name).get("ReadReplicaSourceDBInstanceIdentifier")
    return [source, *chain(deployment, source)] if source else []


def require_counterparts(deployment: Deployment) -> None:
    """Require both counterparts, each with its own settings, the deeper one following the one above."""
    assert chain(deployment, f"{BELOW}-encrypted") == [f"{ABOVE}-encrypted", "orders-encrypted"]
    counterpart = deployment.instance(f"{BELOW}-encrypted")
    assert counterpart["StorageEncrypted"]
    assert counterpart["DBInstanceClass"] == "db.t3.medium"
    assert deployment.instance(f"{ABOVE}-encrypted")["BackupRetentionPeriod"] == 3
    assert deployment.tags(f"{BELOW}-encrypted")["readers"] == "exports"
    write(deployment, "two levels")
    require_read(deployment, f"{BELOW}-encrypted", "two levels")
