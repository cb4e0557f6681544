"""Strategies: what each says of itself, and the checks that only it needs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from rds_encrypt.aws import dns_records
from rds_encrypt.check import Check, Finding, Scope, Severity, passed
from rds_encrypt.cutover import checks, strategies
from rds_encrypt.cutover.context import CutoverContext, Move, Strategy
from rds_encrypt.cutover.direction import cutover_direction, rollback_direction
from rds_encrypt.cutover.strategies import Dns, InPlace, Rename, strategy_called
from rds_encrypt.cutover.timeline import Timeline
from rds_encrypt.names import Names
from rds_encrypt.settings import DnsSettings, StrategyName
from tests.unit.fakes import instance

NAMES = Names("orders")
DIRECTIONS = [direction(NAMES, "db-S", "db-E") for direction in (cutover_direction, rollback_direction)]
BY_RECORD, BY_COMMAND = Dns(DnsSettings("Z1", "db.shop.internal")), Dns(None, ("move-it", "now"))


@pytest.mark.parametrize("name", get_args(StrategyName))
def test_a_strategy_is_called_as_in_the_config(name: StrategyName) -> None:
    strategy = strategy_called(name)
    assert strategy.name == name
    # Accounts that are locked on the primary need the fence group that comes with its rename.
    assert strategy.may_lock_accounts is not strategy.keeps_name


@pytest.mark.parametrize(
    ("strategy", "names"),
    [
        (Rename(), ["backup-window"]),
        (BY_RECORD, ["dns-record"]),
        (BY_COMMAND, []),
        (InPlace(), []),
    ],
)
def test_only_the_checks_that_concern_a_strategy_are_run(
    strategy: Strategy, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_what: Any) -> Finding:
        return passed("fine")

    always = Check("instances-available", Scope.CUTOVER, Severity.BLOCKING, run)
    monkeypatch.setattr(checks, "_ALWAYS", (always,))
    own_checks = strategy.checks()
    monkeypatch.setattr(
        type(strategy), "checks", lambda _: tuple(Check(c.name, c.scope, c.severity, run) for c in own_checks)
    )
    context = SimpleNamespace(strategy=strategy, timeline=Timeline(), still=lambda: None)

    findings = checks.read(cast(Any, context), cast(Any, None), cast(Any, None))

    assert list(findings) == ["instances-available", *names]
    assert [check.name for check in context.timeline.checks] == list(findings)
    assert {check.name for check in own_checks} <= {check.name for check in strategies.CHECKS}
    assert set(names) <= set(checks.CHECKS)


@pytest.mark.parametrize("direction", DIRECTIONS, ids=["cutover", "rollback"])
def test_the_name_moves_in_two_renames(direction: Any) -> None:
    assert Rename().moves(direction, "orders", "orders-x", "orders-mysql80") == [
        Move(
            f"rename orders to {direction.primary_name}, fenced by parameter group {direction.primary_group}",
            renames=True,
        ),
        Move("rename orders-x to orders, open with parameter group orders-mysql80", renames=True),
    ]


@pytest.mark.parametrize(
    ("strategy", "how"),
    [
        (BY_RECORD, "point db.shop.internal at orders-encrypted"),
        (BY_COMMAND, "run `move-it`, which moves the applications"),
        (InPlace(), "you move the applications to orders-encrypted"),
    ],
)
def test_where_no_name_moves_applications_do(strategy: Strategy, how: str) -> None:
    assert strategy.moves(DIRECTIONS[0], "orders", "orders-encrypted", "") == [
        Move("open orders-encrypted under its own name"),
        Move(how),
        Move("end the sessions that stay on orders"),
    ]


@pytest.mark.parametrize(("target", "right"), [("orders.example", True), ("elsewhere.example", False)])
def test_the_record_must_lead_to_the_primary(
    target: str, monkeypatch: pytest.MonkeyPatch, *, right: bool
) -> None:
    monkeypatch.setattr(dns_records, "target", lambda _aws, _dns: target)
    context = cast(
        CutoverContext, SimpleNamespace(strategy=BY_RECORD, aws=None, primary=lambda: instance("orders"))
    )
    (check,) = BY_RECORD.checks()
    finding = check.run(context, cast(Any, None), cast(Any, None))
    assert (finding.passed, finding.what) == (right, f"db.shop.internal points at {target}")
