"""RDS Proxy: which proxies have which instance as their target, and moves a proxy to another instance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors

__all__ = ["ProxyTarget", "deregister", "register", "targets", "without_target"]


@dataclass(frozen=True)
class ProxyTarget:
    """One database behind an RDS Proxy.

    Attributes:
        proxy: the proxy's name.
        identifier: the instance's, as the proxy knows it.
        usable: whether the proxy reaches it; true if AWS reports no health.
        trouble: why it does not.
    """

    proxy: str
    identifier: str
    usable: bool = True
    trouble: str = ""


def targets(aws: Aws) -> list[ProxyTarget]:
    """Return the targets of the account's proxies for MySQL."""
    with sorted_errors("RDS Proxy"):
        return [
            _target(proxy, each.get("RdsResourceId", ""), each.get("TargetHealth") or {})
            for proxy in _names(aws)
            for each in _targets_of(aws, proxy)
        ]


def without_target(aws: Aws, known: Iterable[ProxyTarget]) -> set[str]:
    """Return the proxies for MySQL that have none of the known targets."""
    with sorted_errors("RDS Proxy"):
        return set(_names(aws)) - {each.proxy for each in known}


def _names(aws: Aws) -> list[str]:
    pages = aws.rds.get_paginator("describe_db_proxies").paginate()
    return [
        each["DBProxyName"]
        for page in pages
        for each in page["DBProxies"]
        if each.get("EngineFamily") == "MYSQL"
    ]


def _targets_of(aws: Aws, proxy: str) -> list[Any]:
    try:
        return list(aws.rds.describe_db_proxy_targets(DBProxyName=proxy)["Targets"])
    except aws.rds.exceptions.DBProxyNotFoundFault:
        return []  # deleted since it was listed


def deregister(aws: Aws, proxy: str, identifier: str) -> None:
    """Take an instance away from a proxy, which keeps its clients waiting until it has another."""
    with sorted_errors(f"RDS Proxy {proxy}"):
        aws.rds.deregister_db_proxy_targets(DBProxyName=proxy, DBInstanceIdentifiers=[identifier])


def register(aws: Aws, proxy: str, identifier: str) -> None:
    """Give a proxy its instance; it may have only one ("Quotas and limitations for RDS Proxy", RDS User Guide)."""
    with sorted_errors(f"RDS Proxy {proxy}"):
        aws.rds.register_db_proxy_targets(DBProxyName=proxy, DBInstanceIdentifiers=[identifier])


def _target(proxy: str, identifier: str, health: object) -> ProxyTarget:
    state, reason = (
        (health.get("State", "AVAILABLE"), health.get("Reason") or health.get("Description") or "")
        if isinstance(health, dict)
        else ("AVAILABLE", "")
    )
    return ProxyTarget(
        proxy, identifier, state == "AVAILABLE", "" if state == "AVAILABLE" else f"{state} {reason}".strip()
    )
