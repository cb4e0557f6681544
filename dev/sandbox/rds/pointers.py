"""What points at instances: event subscriptions, proxies and zero-ETL integrations. They are kept and listed,
and a proxy takes one target; nothing else comes of them.

AWS does not say whether a proxy's target follows a rename: the name stays as it was registered, unless `proxies-follow` is provoked.
"""

from __future__ import annotations

from typing import Any

from dev.sandbox.rds.errors import RDSError, already_exists
from dev.sandbox.rds.pagination import page
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


@action("CreateEventSubscription")
def subscribe(region: Region, parameters: Parameters) -> Result:
    name = parameters["SubscriptionName"]
    if name in region.subscriptions:
        raise already_exists("SubscriptionAlreadyExist", "A subscription with the name", name)
    sources = [region.instance(source).identifier for source in parameters.get("SourceIds", [])]
    made = {
        "CustomerAwsId": region.account_id,
        "CustSubscriptionId": name,
        "SnsTopicArn": parameters["SnsTopicArn"],
        "Status": "active",
        "SourceType": parameters.get("SourceType"),
        "SourceIdsList": sources,
        "EventCategoriesList": parameters.get("EventCategories", []),
        "Enabled": parameters.get("Enabled", True),
        "EventSubscriptionArn": region.arn("es", name),
    }
    region.subscriptions[name] = made
    return {"EventSubscription": made}


@action("DescribeEventSubscriptions")
def subscriptions(region: Region, parameters: Parameters) -> Result:
    entries = [region.subscriptions[name] for name in sorted(region.subscriptions)]
    return page(entries, parameters, "EventSubscriptionsList")


@action("CreateIntegration")
def integrate(region: Region, parameters: Parameters) -> Result:
    name = parameters["IntegrationName"]
    if name in region.integrations:
        raise already_exists("IntegrationAlreadyExistsFault", "An integration with the name", name)
    made = {
        "IntegrationName": name,
        "IntegrationArn": region.arn("integration", name),
        "SourceArn": parameters["SourceArn"],
        "TargetArn": parameters["TargetArn"],
        "Status": "active",
    }
    region.integrations[name] = made
    return made


@action("DescribeIntegrations")
def integrations(region: Region, parameters: Parameters) -> Result:
    return page(
        [region.integrations[name] for name in sorted(region.integrations)], parameters, "Integrations"
    )


@action("CreateDBProxy")
def make_proxy(region: Region, parameters: Parameters) -> Result:
    name = parameters["DBProxyName"]
    if name in region.proxies:
        raise already_exists("DBProxyAlreadyExistsFault", "A proxy with the name", name)
    made = {
        "DBProxyName": name,
        "DBProxyArn": region.arn("db-proxy", f"prx-{name}"),
        "Status": "available",
        "EngineFamily": parameters["EngineFamily"],
        "RoleArn": parameters["RoleArn"],
    }
    region.proxies[name] = (made, [])
    return {"DBProxy": made}


@action("DescribeDBProxies")
def proxies(region: Region, parameters: Parameters) -> Result:
    return page([region.proxies[name][0] for name in sorted(region.proxies)], parameters, "DBProxies")


@action("RegisterDBProxyTargets")
def register(region: Region, parameters: Parameters) -> Result:
    proxy, targets = _proxy(region, parameters)
    names = parameters.get("DBInstanceIdentifiers", [])
    if len(targets) + len(names) > 1:
        raise RDSError(
            "DBProxyTargetAlreadyRegisteredFault", f"Proxy {proxy['DBProxyName']} already has a target."
        )
    made = [
        {"RdsResourceId": name, "Type": "RDS_INSTANCE", "of": region.instance(name).resource_id}
        for name in names
    ]
    targets.extend(made)
    return {"DBProxyTargets": [_shown(region, target) for target in made]}


@action("DeregisterDBProxyTargets")
def deregister(region: Region, parameters: Parameters) -> Result:
    _, targets = _proxy(region, parameters)
    for name in parameters.get("DBInstanceIdentifiers", []):
        matching = [target for target in targets if _shown(region, target)["RdsResourceId"] == name]
        if not matching:
            raise RDSError("DBProxyTargetNotFoundFault", f"{name} is not a target of this proxy.")
        targets.remove(matching[0])
    return {}


@action("DescribeDBProxyTargets")
def proxy_targets(region: Region, parameters: Parameters) -> Result:
    return page([_shown(region, target) for target in _proxy(region, parameters)[1]], parameters, "Targets")


def _shown(region: Region, target: dict[str, Any]) -> dict[str, Any]:
    """A target as it is described; it has its name of the time when it was registered, or the instance's present one."""
    names = {instance.resource_id: instance.identifier for instance in region.instances.values()}
    kept = target["RdsResourceId"]
    name = names.get(target["of"], kept) if region.proxies_follow else kept
    reached = name in names.values()
    health = {"State": "AVAILABLE"} if reached else {"State": "UNAVAILABLE", "Reason": "UNREACHABLE"}
    return {"RdsResourceId": name, "Type": target["Type"], "TargetHealth": health}


def _proxy(region: Region, parameters: Parameters) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    name = parameters["DBProxyName"]
    if name not in region.proxies:
        raise RDSError("DBProxyNotFoundFault", f"DBProxy {name} not found.")
    return region.proxies[name]
