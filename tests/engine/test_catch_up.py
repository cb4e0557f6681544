"""A catch-up from far behind: durability is relaxed and put back, also after a kill in the middle, and no cutover begins before that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dev.workload.database import rows, value
from rds_encrypt.rehearse.workspace import Result
from tests.engine.checks import unfolded
from tests.engine.deployment import Deployment, driving
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SETTINGS = {"catchUp": {"farBehind": 1}}
DURABLE = {"innodb_flush_log_at_trx_commit": "1", "sync_binlog": "1"}
RELAXED = {"innodb_flush_log_at_trx_commit": "2", "sync_binlog": "1000"}
ROW = "x" * 60


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A source whose owner has set one of the two parameters: that is to be put back, the other to be reset."""
    with driving(tmp_path_factory.mktemp("catch-up")) as deployment:
        deployment.client("rds").modify_db_parameter_group(
            DBParameterGroupName=owner_group(deployment),
            Parameters=[
                {
                    "ParameterName": "innodb_flush_log_at_trx_commit",
                    "ParameterValue": "1",
                    "ApplyMethod": "immediate",
                }
            ],
        )
        deployment.up("replicate", **SETTINGS)
        yield deployment


def owner_group(deployment: Deployment) -> str:
    return str(deployment.instance("orders")["DBParameterGroups"][0]["DBParameterGroupName"])


def live(deployment: Deployment, identifier: str = "orders-encrypted") -> dict[str, str]:
    with deployment.connected(identifier) as connection:
        return {name: str(value(connection, f"SELECT @@GLOBAL.{name}")) for name in DURABLE}


def in_group(deployment: Deployment, group: str = "orders-encrypted") -> dict[str, str]:
    pages = (
        deployment.client("rds")
        .get_paginator("describe_db_parameters")
        .paginate(DBParameterGroupName=group, Source="user")
    )
    return {
        parameter["ParameterName"]: parameter["ParameterValue"]
        for page in pages
        for parameter in page["Parameters"]
        if parameter["ParameterName"] in DURABLE
    }


def writes_of_durability(deployment: Deployment) -> list[str]:
    """Return the changes of the two parameters that the program or its provider has asked for so far.

    Others may be changed as well: a comparison reduces the appliers when it finds the copies at different coordinates.
    """
    return [
        f"{call['action']} {call['parameters']}"
        for call in deployment.sandbox.calls()
        if call["action"] in {"ModifyDBParameterGroup", "ResetDBParameterGroup"}
        and any(name in str(call["parameters"]) for name in DURABLE)
    ]


@contextmanager
def far_behind(deployment: Deployment) -> Iterator[None]:
    """Keep the encrypted instance from applying what it has fetched, and write 2 MB that it has to fetch.

    The steps from its attachment on are taken out of the state, so that the next `up` does them.
    """
    urn = next(
        resource["urn"]
        for resource in deployment.workspace.resources()
        if "ExternalReplication" in resource["urn"]
    )
    deployment.workspace.run(
        "state", "delete", urn, "--target-dependents", "--yes", "--stack", deployment.workspace.stack
    )
    with deployment.connected("orders-encrypted") as lock, deployment.connected("orders") as source:
        rows(lock, "LOCK TABLES orders READ")
        for _ in range(12):
            rows(source, "UPDATE orders SET note = CONCAT(LEFT(SHA2(RAND(), 224), 8), %s)", ROW)
        yield


def up_until_relaxed(deployment: Deployment) -> Result:
    """Run `up` behind a lock that is released as soon as durability is relaxed."""
    results: list[Result] = []
    lines: list[str] = []
    with far_behind(deployment):
        deployment.configure("replicate", **SETTINGS)
        run = threading.Thread(
            target=lambda: results.append(deployment.workspace.up("--skip-preview", listen=lines.append)),
            daemon=True,
        )
        run.start()
        relaxed_or_over = until(lambda: (live(deployment) == RELAXED, not run.is_alive()), any)
        assert relaxed_or_over == (True, False), "\n".join(lines)
    run.join(PATIENCE)
    return deployment.note(results[0])


def test_it_is_relaxed_while_it_catches_up_and_put_back_when_it_is_level(deployment: Deployment) -> None:
    result = up_until_relaxed(deployment)

    assert result.ok, result.output
    assert live(deployment) == DURABLE
    assert in_group(deployment) == {"innodb_flush_log_at_trx_commit": "1"}
    assert live(deployment, "orders") == DURABLE
    (step,) = (resource for resource in deployment.workspace.resources() if "CatchUp" in resource["urn"])
    assert step["outputs"]["relaxed"] == list(RELAXED)
    deployment.require_rest()


def test_it_stays_as_it_is_when_that_is_off_or_nothing_would_notice_a_crash(deployment: Deployment) -> None:
    for setting in (
        {"catchUp": {"relaxed": "off", "farBehind": 1}},
        {**SETTINGS, "verify": {"level": "counts"}},
    ):
        with far_behind(deployment):
            pass
        before = writes_of_durability(deployment)
        deployment.up("replicate", **setting)
        assert writes_of_durability(deployment) == before


def killed_while_relaxed(deployment: Deployment) -> None:
    with far_behind(deployment):
        deployment.killed_up(
            "replicate", "CatchUp orders creating", lambda: live(deployment) == RELAXED, **SETTINGS
        )
    assert live(deployment) == RELAXED, "nobody has put it back yet"


def test_after_a_kill_no_cut_over_begins_and_the_next_up_puts_it_back(deployment: Deployment) -> None:
    killed_while_relaxed(deployment)

    deployment.configure("cutover", **SETTINGS)
    plan = deployment.note(deployment.workspace.preview())
    output = unfolded(plan.output)
    assert "candidate-durable: orders-encrypted is less durable than parameter group" in output
    assert "innodb_flush_log_at_trx_commit is 2, not 1, sync_binlog is 1000, not 1" in output

    deployment.up("replicate", **SETTINGS)
    assert live(deployment) == DURABLE
    assert in_group(deployment) == {"innodb_flush_log_at_trx_commit": "1"}
    deployment.require_rest()


def test_after_a_kill_and_a_refresh_as_well(deployment: Deployment) -> None:
    killed_while_relaxed(deployment)
    result = deployment.note(deployment.workspace.refresh("--skip-preview"))
    assert result.ok, result.output

    deployment.up("replicate", **SETTINGS)

    assert live(deployment) == DURABLE
    assert in_group(deployment) == {"innodb_flush_log_at_trx_commit": "1"}
    deployment.require_rest()


def set_by_hand(deployment: Deployment, value: str) -> None:
    parameter = {"ParameterName": "sync_binlog", "ParameterValue": value, "ApplyMethod": "immediate"}
    deployment.client("rds").modify_db_parameter_group(
        DBParameterGroupName="orders-encrypted", Parameters=[parameter]
    )
    until(lambda: live(deployment)["sync_binlog"] == value)


def dns_by_command() -> dict[str, Any]:
    return {"strategy": "dns", "hooks": {"move": ["true"]}}


def test_a_cut_over_refuses_to_begin_while_it_is_relaxed(deployment: Deployment) -> None:
    set_by_hand(deployment, RELAXED["sync_binlog"])
    deployment.configure("cutover", cutover=dns_by_command(), **SETTINGS)

    refused = deployment.note(deployment.workspace.up("--skip-preview"))

    assert not refused.ok
    assert "candidate-durable (orders-encrypted is less durable than parameter group" in refused.output
    with deployment.connected("orders", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'goes on' WHERE id = 1")
    set_by_hand(deployment, "1")


def test_with_strategy_dns_production_is_as_durable_on_the_clone_as_it_was(deployment: Deployment) -> None:
    killed_while_relaxed(deployment)

    deployment.up("cutover", cutover=dns_by_command(), **SETTINGS)

    assert live(deployment) == DURABLE
    with deployment.connected("orders-encrypted", application=True) as connection:
        rows(connection, "UPDATE orders SET note = 'on the encrypted one' WHERE id = 1")
