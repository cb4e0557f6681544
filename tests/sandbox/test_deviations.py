"""Where RDS may behave otherwise than is known: the sandbox can do so, and rds-encrypt copes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dev.sandbox import Sandbox
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.core.errors import TimedOut
from rds_encrypt.cutover.fence import ParameterGroupFence
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.session import Credentials, Endpoint, Tls, connect
from tests.conformance.account import PASSWORD, Account
from tests.conformance.servers import SECRET, Server, make_follower, open_server
from tests.waiting import until

DEADLINE = 60.0
UNKNOWN = "Replication is being serviced. Try again."


@pytest.fixture(scope="module")
def account(sandbox: Sandbox) -> Account:
    return Account.of(sandbox)


@pytest.fixture(scope="module")
def made(account: Account) -> Iterator[dict[str, str]]:
    """A source and a follower; the source has a group of its own."""
    account.group("deviations")
    resource_ids = {
        "source": account.begin("deviates", BackupRetentionPeriod=1, DBParameterGroupName="deviations")
    }
    account.available(resource_ids["source"])
    with open_server(account, resource_ids["source"]) as source:
        resource_ids["follower"] = make_follower(account, source, "deviates-too", "deviates")
    account.available(resource_ids["follower"])
    yield resource_ids
    for name in ("deviates-too", account.see(resource_ids["source"])["DBInstanceIdentifier"]):
        account.delete(name)
    for resource_id in resource_ids.values():
        account.gone(resource_id)
    account.rds.delete_db_snapshot(DBSnapshotIdentifier="deviates")
    account.rds.delete_db_parameter_group(DBParameterGroupName="deviations")


@pytest.fixture
def source(account: Account, made: dict[str, str]) -> Iterator[Server]:
    with open_server(account, made["source"]) as opened:
        yield opened


def test_read_only_takes_its_time(account: Account, source: Server, made: dict[str, str]) -> None:
    """And other parameters do not."""
    account.provoke.duration("read_only", 2)
    account.set_parameters("deviations", read_only="1")
    group = account.see(made["source"])["DBParameterGroups"][0]
    assert (group["ParameterApplyStatus"], source.value("SELECT @@global.read_only")) == ("applying", 0)
    until(lambda: source.value("SELECT @@global.read_only"), lambda on: on == 1)
    account.provoke.duration("read_only", 0)
    account.set_parameters("deviations", read_only="0")
    until(lambda: source.value("SELECT @@global.read_only"), lambda on: on == 0)


def test_a_procedure_refuses_once(account: Account, made: dict[str, str], source: Server) -> None:
    """With a text that nobody knows: rds-encrypt calls it again."""
    source.rows("CALL mysql.rds_set_configuration('binlog retention hours', 24)")
    where = source.coordinates()
    with open_server(account, made["follower"]) as follower:
        follower.rows(
            "CALL mysql.rds_set_external_master(%s, 3306, 'follower', %s, %s, %s, 1)",
            source.address,
            SECRET,
            *where,
        )
        account.provoke.refuse_procedure("rds_start_replication", UNKNOWN)
        until(lambda: follower.value("SELECT refused FROM mysql.rds_sandbox"), bool)
        endpoint = Endpoint(follower.address, 3306)
        with connect(endpoint, Credentials("admin", PASSWORD), Tls(account.ca)) as session:
            assert channel.start(session).running
        history = follower.rows("SELECT action FROM mysql.rds_history WHERE action LIKE '%%start slave'")
    assert [row["action"] for row in history] == [
        "Starting: start slave",
        "Starting: start slave",
        "start slave",
    ]


def test_logs_go_despite_their_retention(account: Account, source: Server, made: dict[str, str]) -> None:
    """Once, and never those that a follower needs."""
    with open_server(account, made["follower"]) as follower:
        until(follower.threads, lambda threads: threads == ("Yes", "Yes"))
        source.rows("CREATE TABLE shop.kept (id INT PRIMARY KEY)")
        until(lambda: len(source.files()), lambda count: count > 2)
        before = source.files()[0]
        account.provoke.purge()
        until(lambda: source.files()[0], lambda first: first > before)
        source.rows("INSERT INTO shop.kept VALUES (1)")
        until(lambda: follower.rows("SELECT id FROM shop.kept"), lambda rows: len(rows) == 1)
        assert follower.threads() == ("Yes", "Yes")


def test_a_rename_by_way_of_an_unknown_status(
    account: Account, environment: dict[str, str], made: dict[str, str]
) -> None:
    """Slower, and in a status that AWS does not document: rds-encrypt waits."""
    account.provoke.duration("unheard", 1.5)
    account.provoke.duration("rename", 2)
    instances, resource_id = Instances(Aws(AwsSettings(region="us-east-1"))), made["source"]
    instances.ask_rename(resource_id, "deviates-elsewhere", parameter_group="deviations", deadline=DEADLINE)
    statuses = account.await_status(resource_id, "rebooting")
    assert statuses[-3:] == ["renaming", "relocating", "rebooting"]
    renamed = instances.await_rename(
        resource_id, "deviates-elsewhere", parameter_group="deviations", deadline=DEADLINE
    )
    assert renamed.available


def test_a_fence_that_closes_late_is_lifted_only_once_it_cannot_close_any_more(
    account: Account, environment: dict[str, str], made: dict[str, str]
) -> None:
    """The cutover gave up before the fence closed; RDS still applies the change, then the one that takes it back."""
    aws = Aws(AwsSettings(region="us-east-1"))
    instances = Instances(aws)
    fence = ParameterGroupFence(instances, ParameterGroups(aws), made["source"], "deviations")
    account.provoke.duration("read_only", 3)
    address = account.see(made["source"])["Endpoint"]["Address"]
    with connect(Endpoint(address, 3306), Credentials("admin", PASSWORD), Tls(account.ca)) as session:
        with pytest.raises(TimedOut):
            fence.apply(session, deadline=0.5)
        assert fence.put_back()
        fence.reopen(session)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert session.value("SELECT @@global.read_only") == 0
            time.sleep(0.1)
    account.provoke.duration("read_only", 0)
