"""RDS Proxies move to the instance that carries production, whether or not their targets follow a rename, and never fail a run."""

from __future__ import annotations

from typing import Any, cast

import pytest
import tenacity
from botocore.exceptions import ClientError

from providers import proxy_targets
from providers.proxy_targets import ProxyTargetsArgs, ProxyTargetsProvider
from providers.step import StepContext
from rds_encrypt.access import Access
from rds_encrypt.aws import proxies
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.proxies import ProxyTarget
from rds_encrypt.core.errors import ActionRequired, Retryable
from rds_encrypt.core.waiting import silent
from rds_encrypt.journal import Tag
from tests.unit.fakes import ACCESS, FakeAws, instance


class Account:
    """The proxies of an account, each with one target."""

    def __init__(self, patch: pytest.MonkeyPatch, **targets: str) -> None:
        self.targets = dict(targets)
        self.calls: list[str] = []
        self.noted: dict[str, str] = {}
        self.unusable: set[str] = set()
        patch.setattr(proxies, "targets", lambda _aws: self._listed())
        patch.setattr(
            proxies,
            "targets_of",
            lambda _aws, proxy: [target for target in self._listed() if target.proxy == proxy],
        )
        patch.setattr(proxies, "register", lambda _aws, proxy, name: self._register(proxy, name))
        patch.setattr(proxies, "deregister", lambda _aws, proxy, name: self._deregister(proxy, name))
        patch.setattr(proxies, "without_target", lambda _aws, _known: {"pool", "other"} - self.targets.keys())
        patch.setattr(Instances, "tag", lambda _self, _which, tags: self.noted.update(tags))
        patch.setattr(
            Instances, "untag", lambda _self, _which, keys: [self.noted.pop(key, None) for key in keys]
        )
        patch.setattr(Instances, "wait", lambda _self, _which, _what, _done, **_rest: None)
        patch.setattr(proxy_targets, "_REACHED", 0.0)

    def _listed(self) -> list[ProxyTarget]:
        return [
            ProxyTarget(
                proxy, name, proxy not in self.unusable, "" if proxy not in self.unusable else "UNREACHABLE"
            )
            for proxy, name in self.targets.items()
        ]

    def _register(self, proxy: str, name: str) -> None:
        self.calls.append(f"register {name} with {proxy}")
        self.targets[proxy] = name
        self.unusable.discard(proxy)

    def _deregister(self, proxy: str, name: str) -> None:
        self.calls.append(f"deregister {name} from {proxy}")
        assert self.targets.pop(proxy) == name


def perform(*there: Instance, moved: bool = True) -> dict[str, Any]:
    args = ProxyTargetsArgs(
        source_id=instance("source").resource_id,
        access=ACCESS,
        identifier="orders",
        encrypted_id=instance("encrypted").resource_id,
        moved=moved,
    )
    return ProxyTargetsProvider().perform(StepContext(FakeAws(*there), cast(Access, None), silent), args)


def renamed(**tags: str) -> tuple[Instance, Instance]:
    """The two instances after a cutover by name."""
    return (
        instance("source", DBInstanceIdentifier="orders-old"),
        instance("encrypted", tags, DBInstanceIdentifier="orders"),
    )


def test_a_target_that_kept_the_name_and_is_reached_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, pool="orders", other="billing")
    outputs = perform(*renamed())
    assert account.calls == []
    assert outputs == {"proxies": {"pool": "uses the instance that carries production"}, "settled": True}
    assert account.noted == {}


def test_a_target_that_followed_the_old_instance_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, pool="orders-old")
    assert perform(*renamed())["settled"]
    assert account.calls == ["deregister orders-old from pool", "register orders with pool"]


def test_a_target_that_kept_the_name_and_is_not_reached_is_registered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = Account(monkeypatch, pool="orders")
    account.unusable = {"pool"}
    assert perform(*renamed())["settled"]
    assert account.calls == ["deregister orders from pool", "register orders with pool"]


def test_a_proxy_that_has_another_target_by_now_is_its_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, pool="billing")
    assert perform(*renamed(**{Tag.PROXIES: "pool"})) == {"proxies": {}, "settled": True}
    assert account.calls == []


def test_a_registration_that_aws_is_not_ready_for_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, pool="orders-old")
    refusals = [Retryable("InvalidDBInstanceState", where="RDS Proxy pool")] * 2
    register = proxies.register

    def once_ready(aws: Any, proxy: str, name: str) -> None:
        if refusals:
            raise refusals.pop()
        register(aws, proxy, name)

    monkeypatch.setattr(proxies, "register", once_ready)
    monkeypatch.setattr(tenacity.Retrying, "sleep", lambda _self, _seconds: None, raising=False)
    assert perform(*renamed())["settled"]
    assert account.targets == {"pool": "orders"}


def test_a_run_that_died_between_the_two_calls_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch)
    assert perform(*renamed(**{Tag.PROXIES: "pool"}))["settled"]
    assert account.calls == ["register orders with pool"]


def test_a_rollback_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch, pool="orders-encrypted")
    there = (
        instance("source", DBInstanceIdentifier="orders"),
        instance("encrypted", DBInstanceIdentifier="orders-encrypted"),
    )
    assert perform(*there, moved=False)["settled"]
    assert account.calls == ["deregister orders-encrypted from pool", "register orders with pool"]


def test_what_aws_refuses_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Account(monkeypatch, pool="orders-old")

    def refuse(*_args: object) -> None:
        raise ActionRequired("AWS refused DeregisterDBProxyTargets", where="RDS Proxy pool", fix="Allow it")

    monkeypatch.setattr(proxies, "deregister", refuse)
    outputs = perform(*renamed())
    assert not outputs["settled"]
    assert "AWS refused DeregisterDBProxyTargets" in outputs["proxies"]["pool"]
    state = {
        "source_id": "db-S",
        "access": {"secret_id": "s"},
        "identifier": "orders",
        "encrypted_id": "db-E",
        "moved": True,
    }
    assert ProxyTargetsProvider().diff("", {**state, "settled": False}, state).changes
    assert not ProxyTargetsProvider().diff("", {**state, "settled": True}, state).changes


@pytest.mark.parametrize(("code", "settled"), [("AccessDenied", True), ("Throttling", False)])
def test_an_account_that_may_not_look_is_only_told(
    monkeypatch: pytest.MonkeyPatch, code: str, *, settled: bool
) -> None:
    Account(monkeypatch)

    def refuse(_aws: object) -> None:
        answer = {"Error": {"Code": code, "Message": "no"}}
        raise ActionRequired("AWS refused it") from ClientError(cast(Any, answer), "DescribeDBProxies")

    monkeypatch.setattr(proxies, "targets", refuse)
    assert perform(*renamed()) == {"proxies": {}, "settled": settled}
