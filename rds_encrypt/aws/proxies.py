"""RDS Proxy: which proxies have which instance as their target, and moves a proxy to another instance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBProxyTargetTypeDef

__all__ = ["ProxyTarget", "deregister", "register", "targets", "targets_of", "without_target"]


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
        proxies = _names(aws)
    return [target for proxy in proxies for target in targets_of(aws, proxy)]


def targets_of(aws: Aws, proxy: str) -> list[ProxyTarget]:
    """Return the targets of one proxy; none if there is no such proxy."""
    with sorted_errors(f"RDS Proxy {proxy}"):
        try:
            descriptions = aws.rds.describe_db_proxy_targets(DBProxyName=proxy)["Targets"]
        except aws.rds.exceptions.DBProxyNotFoundFault:
            return []  # deleted since it was listed
    return [_target(proxy, description) for description in descriptions]


def without_target(aws: Aws, known: Iterable[ProxyTarget]) -> set[str]:
    """Return the proxies for MySQL that have none of the known targets."""
    with sorted_errors("RDS Proxy"):
        return set(_names(aws)) - {target.proxy for target in known}


def _names(aws: Aws) -> list[str]:
    pages = aws.rds.get_paginator("describe_db_proxies").paginate()
    return [
        proxy["DBProxyName"]
        for page in pages
        for proxy in page["DBProxies"]
        if proxy.get("EngineFamily") == "MYSQL"
    ]


def deregister(aws: Aws, proxy: str, identifier: str) -> None:
    """Take an instance away from a proxy, which keeps its clients waiting until it has another."""
    with sorted_errors(f"RDS Proxy {proxy}"):
        aws.rds.deregister_db_proxy_targets(DBProxyName=proxy, DBInstanceIdentifiers=[identifier])


def register(aws: Aws, proxy: str, identifier: str) -> None:
    """Give a proxy its instance; it may have only one ("Quotas and limitations for RDS Proxy", RDS User Guide)."""
    with sorted_errors(f"RDS Proxy {proxy}"):
        aws.rds.register_db_proxy_targets(DBProxyName=proxy, DBInstanceIdentifiers=[identifier])


def _target(proxy: str, description: DBProxyTargetTypeDef) -> ProxyTarget:
    health = description.get("TargetHealth") or {}
    state = health.get("State", "AVAILABLE")
    usable, reason = state == "AVAILABLE", health.get("Reason") or health.get("Description") or ""
    return ProxyTarget(
        proxy, description.get("RdsResourceId", ""), usable, "" if usable else f"{state} {reason}".strip()
    )
