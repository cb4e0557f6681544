"""The arguments of steps: read from what the engine passes, and declared by the components under the same keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from components.backend import Owner
from components.fleet import Fleet
from components.migration import Migration
from components.stack import Stack
from providers.arguments import NamedArgs, StepArgs, as_inputs
from providers.catch_up import CatchUpArgs
from providers.claim import Claim, ClaimArgs
from providers.cutover import Cutover, CutoverArgs, CutoverProvider
from providers.group_access import GroupAccessArgs
from providers.preflight import PreflightArgs
from providers.resource import StepResource
from providers.retirement import Retirement
from providers.rollback import Rollback
from providers.verification import VerificationArgs
from rds_encrypt.access import AccessSettings
from rds_encrypt.aws.keys import Key
from rds_encrypt.discovery import Topology
from rds_encrypt.existing import Existing, Group
from rds_encrypt.names import Names
from rds_encrypt.phases import Method, Phase
from rds_encrypt.quota_demand import QuotaDemand
from rds_encrypt.replica_pairs import ReplicaPair
from rds_encrypt.settings import (
    CredentialSettings,
    CutoverSettings,
    DnsSettings,
    HookSettings,
    Settings,
    SourceSettings,
    VerifySettings,
)
from tests.unit.fakes import ACCESS, FakeAws, instance

UNKNOWN = pulumi.output.UNKNOWN
SETTINGS = {"cutover": as_inputs(CutoverSettings()), "verify": as_inputs(VerifySettings())}
BY_SECRET = {"access": {"secret_id": "orders/master"}}
LEFT_OUT: dict[type[StepResource], set[str]] = {
    Cutover: {"named", "fenced", "following"},
    Rollback: {"snapshot_at", "moments"},
}
"""What a component leaves to the defaults."""
PHASES: list[tuple[Phase, Method]] = [
    ("replicate", "online"),
    ("cutover", "online"),
    ("rollback", "online"),
    ("cleanup", "online"),
    ("replicate", "offline"),
    ("cutover", "offline"),
]


def test_numbers_are_of_their_kind_again_and_other_keys_are_ignored() -> None:
    args = CatchUpArgs.from_inputs(
        {
            "source_id": "db-1",
            "encrypted_id": "db-2",
            "hours": 48.0,
            "relax_above": 64.0,
            "__provider": "x",
            "access": {"environment": "PASSWORD"},
        }
    )
    assert (args.hours, args.relax_above, args.urn, args.access) == (
        48.0,
        64.0,
        None,
        AccessSettings(environment="PASSWORD"),
    )
    port = GroupAccessArgs.from_inputs(
        {**BY_SECRET, "source_id": "db-1", "groups": ["sg-1"], "port": 3306.0}
    ).port
    assert (port, type(port)) == (3306, int)


def test_settings_come_back_as_what_they_were() -> None:
    args = CutoverArgs.from_inputs(
        {
            "source_id": "db-1",
            "encrypted_id": "db-2",
            "identifier": "orders",
            "source_group": "orders",
            **BY_SECRET,
            "cutover": {
                "strategy": "dns",
                "max_lag": 9.0,
                "hooks": {"before": ["ask"]},
                "dns": {"hosted_zone_id": "Z", "record": "db.shop."},
            },
            "verify": {"level": "counts", "max_age": 12.0},
        }
    )
    assert args.access == ACCESS
    assert args.names == Names("orders")
    assert (args.cutover.hooks.before, args.cutover.hooks.after) == (("ask",), ())
    assert args.cutover.dns == DnsSettings("Z", "db.shop.")
    assert (args.cutover.max_lag, type(args.cutover.max_lag), args.cutover.lag_steady) == (9, int, 5)
    assert (args.verify, args.moments) == (VerifySettings(level="counts", max_age=12), {})


def test_what_is_not_known_at_preview_stays_unknown() -> None:
    inputs = {**BY_SECRET, "source_id": UNKNOWN, "groups": UNKNOWN, "port": UNKNOWN}
    args = GroupAccessArgs.from_inputs(inputs)
    assert {args.source_id, args.groups, args.port} == {UNKNOWN}


def test_a_state_that_lacks_a_later_key_gets_its_default() -> None:
    inputs = {"source_id": "db-1", "encrypted_id": "db-2", "identifier": "orders", "source_group": "orders"}
    args = CutoverProvider().read_args({**inputs, **BY_SECRET, **SETTINGS})
    assert (args.named, args.fenced, args.following, args.snapshot_at) == (True, True, True, None)


def test_what_a_run_recorded_is_read_and_not_declared() -> None:
    assert "counted" not in VerificationArgs.declared()
    state = {
        **BY_SECRET,
        "source_id": "db-1",
        "groups": ["sg-1"],
        "port": 3306,
        "group": "sg-1",
    }
    assert GroupAccessArgs.from_inputs(state).group == "sg-1"


def test_the_fleet_of_a_preflight_is_typed() -> None:
    demand = QuotaDemand("orders", 20, replica=True)
    args = PreflightArgs.from_inputs(
        {
            **BY_SECRET,
            "identifier": "orders",
            "phase": "replicate",
            "method": "online",
            "strategy": "rename",
            "kms_key_arn": "arn",
            "fleet": [{**as_inputs(demand), "gib": 20.0}],
        }
    )
    assert args.fleet == (demand,)


def test_settings_travel_as_plain_values_without_what_is_not_set() -> None:
    hooks = HookSettings(before=("ask", "twice"))
    assert ClaimArgs.to_inputs(source_id="db-1", access=ACCESS, owner="a/b", backend="0123") == {
        "source_id": "db-1",
        "access": {"secret_id": "orders/master", "connection": {"via": "direct"}},
        "urn": None,
        "owner": "a/b",
        "backend": "0123",
    }
    assert as_inputs(CutoverSettings(hooks=hooks)) == {
        "strategy": "rename",
        "hooks": {"before": ["ask", "twice"], "move": [], "after": []},
        "proxies": "follow",
        "postpone": False,
        "max_write_outage": 60,
        "long_transaction": 30,
        "max_lag": 10,
        "lag_steady": 5,
    }


@pytest.mark.parametrize("wrong", [{"owners": "dev"}, {}])
def test_a_wrong_key_fails(wrong: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="owner"):
        ClaimArgs.to_inputs(source_id="db-1", access=ACCESS, backend="0123", **wrong)


# The components, with an engine that only listens.


class Engine(pulumi.runtime.Mocks):
    """Accepts every resource."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return args.name, {**args.inputs, "dbSnapshotArn": "arn:aws:rds:snapshot"}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], None]:
        return {}, None


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[type[StepResource], set[str]]]:
    """The keys of each step that has been declared."""
    keys: dict[type[StepResource], set[str]] = defaultdict(set)
    create = StepResource.__init__

    def note(step: StepResource, name: str, opts: pulumi.ResourceOptions, **inputs: Any) -> None:
        keys[type(step)] |= set(inputs)
        create(step, name, opts, **inputs)

    monkeypatch.setattr(StepResource, "__init__", note)
    pulumi.runtime.set_mocks(Engine(), project="rds-encrypt", stack="dev", preview=False)
    yield keys
    pulumi.runtime.settings.reset_options()


def migrate(phase: Phase, method: Method) -> None:
    source, names = instance("orders"), Names("orders")
    source_settings = SourceSettings(
        "orders",
        CredentialSettings(secret_id="orders/master"),
        kms_key="alias/orders",
        phase=phase,
        method=method,
    )
    encrypted = instance("orders-encrypted") if phase == "cleanup" else None
    existing = Existing(
        Topology(names, source, encrypted),
        Key("arn:aws:kms:key", "Enabled", symmetric=True),
        Group("orders-mysql80", "mysql8.0", {}),
        {},
        {names.encrypted: None, names.fence: None},
        (ReplicaPair("reader", "db-READER", instance("reader"), None),) if method == "online" else (),
    )
    owner, fleet = Owner("rds-encrypt/dev", "0123"), Fleet(1, 5, ())
    stack = Stack(Settings(sources=(source_settings,)), FakeAws(source), owner, {"orders": existing}, fleet)

    run = pulumi.runtime.test(lambda: Migration("orders", source_settings, stack=stack).reached)  # type: ignore[no-untyped-call]
    run()


def test_the_components_declare_what_the_steps_take(declared: dict[type[StepResource], set[str]]) -> None:
    for phase, method in PHASES:
        migrate(phase, method)
    assert set(declared) == set(StepResource.__subclasses__())
    for step, keys in declared.items():
        assert keys | LEFT_OUT.get(step, set()) == step.provider.arguments.declared(), step.__name__


def test_the_outputs_of_a_step_are_its_annotations() -> None:
    assert Claim.output_names() == ("parameter_group",)
    assert Retirement.output_names() == ("old", "old_status", "keep_until", "snapshots_wanted")
    assert Claim._resource_type_name == "dynamic/rds:Claim"
    assert issubclass(Retirement.provider.arguments, NamedArgs)
    assert issubclass(Claim.provider.arguments, StepArgs)
