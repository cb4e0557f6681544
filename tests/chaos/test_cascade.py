"""A replica of a replica, and what happens on its way: deleted by hand, readers first, destroyed, killed, rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.sandbox.seed import await_available
from tests.engine.account import look
from tests.engine.cascade import ABOVE, BELOW, cascading, chain, require_counterparts
from tests.engine.checks import unfolded
from tests.engine.deployment import Deployment
from tests.engine.readers import require_read, write
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with cascading(tmp_path_factory.mktemp("cascade")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def cascade_before(cascade: Deployment) -> dict[str, Any]:
    return look(cascade)


@pytest.mark.usefixtures("cascade_before")
def test_the_replica_of_a_replica_gets_a_counterpart_that_follows_the_one_above(cascade: Deployment) -> None:
    cascade.up("replicate")
    require_counterparts(cascade)


def test_without_the_counterpart_above_the_deeper_one_is_made_again_too(cascade: Deployment) -> None:
    rds = cascade.client("rds")
    rds.delete_db_instance(DBInstanceIdentifier=f"{ABOVE}-encrypted", SkipFinalSnapshot=True)
    until(lambda: f"{ABOVE}-encrypted" not in cascade.names())
    until(lambda: not chain(cascade, f"{BELOW}-encrypted"))
    cascade.configure("replicate")
    refused = cascade.note(cascade.workspace.preview())
    assert not refused.ok
    assert "it is no longer a replica, so its data does not change" in unfolded(refused.output)

    await_available(rds, f"{BELOW}-encrypted")
    rds.delete_db_instance(DBInstanceIdentifier=f"{BELOW}-encrypted", SkipFinalSnapshot=True)
    until(lambda: f"{BELOW}-encrypted" not in cascade.names())
    cascade.note(cascade.workspace.refresh("--skip-preview"))
    cascade.up("replicate")
    assert chain(cascade, f"{BELOW}-encrypted") == [f"{ABOVE}-encrypted", "orders-encrypted"]


def test_the_readers_of_both_can_move_first(cascade: Deployment) -> None:
    cascade.up("replicate", replicas={"readsFirst": True})
    assert chain(cascade, BELOW) == [ABOVE, "orders-encrypted"]
    write(cascade, "read first")
    require_read(cascade, BELOW, "read first")
    cascade.require_rest()


def test_destroy_gives_the_readers_of_both_back_and_deletes_the_deeper_one_first(
    cascade: Deployment, cascade_before: dict[str, Any]
) -> None:
    cascade.destroy()
    after = look(cascade)
    for part, was in cascade_before.items():
        assert after[part] == was, part
    write(cascade, "as found")
    require_read(cascade, BELOW, "as found")


def test_a_counterpart_of_the_cascade_that_a_killed_run_left_without_backups_is_told(
    cascade: Deployment,
) -> None:
    above, rds = f"{ABOVE}-encrypted", cascade.client("rds")
    cascade.killed_up("replicate", f"Instance {above} creating", lambda: above in cascade.names())
    await_available(rds, above)
    assert cascade.instance(above)["BackupRetentionPeriod"] == 0
    refused = cascade.note(cascade.workspace.preview())
    assert not refused.ok
    output = unfolded(refused.output)
    assert f"--db-instance-identifier {above} --backup-retention-period 3 --apply-immediately" in output

    rds.modify_db_instance(DBInstanceIdentifier=above, BackupRetentionPeriod=3, ApplyImmediately=True)
    until(lambda: cascade.instance(above)["BackupRetentionPeriod"] == 3)
    await_available(rds, above)
    cascade.up("replicate")
    assert chain(cascade, f"{BELOW}-encrypted") == [above, "orders-encrypted"]


def test_a_rollback_takes_both_names_of_the_cascade_back(cascade: Deployment) -> None:
    cascade.up("cutover")
    cascade.up("rollback")
    write(cascade, "rolled back")
    assert not cascade.instance(BELOW)["StorageEncrypted"]
    require_read(cascade, BELOW, "rolled back")
    assert cascade.names() > {f"{ABOVE}-encrypted", f"{BELOW}-encrypted"}
