"""The account around its instances: quotas, snapshots, proxies, integrations, subscriptions, alarms, CNAMEs, maintenance.

rds-encrypt requests each kind once, for any number of instances.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rds_encrypt.aws import proxies, snapshots
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.aws.parameter_groups import Description, ParameterGroups
from rds_encrypt.aws.proxies import ProxyTarget
from rds_encrypt.aws.snapshots import Snapshot

__all__ = ["ZONES", "AccountInventory", "Alarm", "Quota"]

ZONES = 4
"""Number of hosted zones whose first records are read."""
_ALARMS = 2_000
"""Most alarms to read, in pages of a hundred: a preview takes seconds."""


@dataclass(frozen=True)
class Quota:
    """The account's use of a resource, and its limit."""

    used: int
    maximum: int

    @property
    def left(self) -> int:
        """The unused part."""
        return self.maximum - self.used


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm: the instances that its metrics name, and its whole definition, to search for other mentions."""

    name: str
    identifiers: frozenset[str]
    definition: str


class AccountInventory:
    """The region around its DB instances, read on first use."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._snapshots: dict[str, Snapshot | None] = {}

    @property
    def aws(self) -> Aws:
        """The clients that it uses."""
        return self._aws

    @cached_property
    def quotas(self) -> Mapping[str, Quota]:
        """RDS's quotas of the account by name, such as ``DBInstances``."""
        with sorted_errors("quotas"):
            quotas = self._aws.rds.describe_account_attributes()["AccountQuotas"]
        return {quota["AccountQuotaName"]: Quota(int(quota["Used"]), int(quota["Max"])) for quota in quotas}

    def snapshots(self, identifiers: Iterable[str]) -> dict[str, Snapshot]:
        """Return those of the snapshots that exist, by name."""
        names = list(identifiers)
        if unknown := [name for name in names if name not in self._snapshots]:
            present = snapshots.existing(self._aws, unknown)
            self._snapshots |= {name: present.get(name) for name in unknown}
        return {name: snapshot for name in names if (snapshot := self._snapshots[name]) is not None}

    @cached_property
    def groups(self) -> Mapping[str, Description]:
        """The region's parameter groups by name."""
        return ParameterGroups(self._aws).all()

    def options(self, group: str) -> Mapping[str, Any]:
        """Describe an option group."""
        with sorted_errors(f"option group {group}"):
            groups = self._aws.rds.describe_option_groups(OptionGroupName=group)["OptionGroupsList"]
        return dict(groups[0]) if groups else {}

    @cached_property
    def proxy_targets(self) -> list[ProxyTarget]:
        """The targets of the account's proxies for MySQL."""
        return proxies.targets(self._aws)

    @cached_property
    def integrations(self) -> Mapping[str, str]:
        """The ARN of the source of each zero-ETL integration, by the integration's name."""
        with sorted_errors("zero-ETL integrations"):
            pages = self._aws.rds.get_paginator("describe_integrations").paginate()
            return {
                integration["IntegrationName"]: integration["SourceArn"]
                for page in pages
                for integration in page["Integrations"]
            }

    @cached_property
    def dms_endpoints(self) -> list[tuple[str, str]]:
        """The endpoints of Database Migration Service that read from a server: name and address."""
        with sorted_errors("DMS endpoints"):
            pages = self._aws.dms.get_paginator("describe_endpoints").paginate(
                Filters=[{"Name": "endpoint-type", "Values": ["source"]}]
            )
            return [
                (endpoint["EndpointIdentifier"], str(endpoint.get("ServerName", "")).lower())
                for page in pages
                for endpoint in page["Endpoints"]
            ]

    @cached_property
    def subscriptions(self) -> Mapping[str, frozenset[str]]:
        """The instances that event subscriptions name, by the subscription's name."""
        with sorted_errors("event subscriptions"):
            pages = self._aws.rds.get_paginator("describe_event_subscriptions").paginate()
            return {
                subscription["CustSubscriptionId"]: frozenset(subscription.get("SourceIdsList", []))
                for page in pages
                for subscription in page["EventSubscriptionsList"]
                if subscription.get("SourceType") == "db-instance"
            }

    @cached_property
    def event_rules(self) -> Mapping[str, str]:
        """The patterns of the rules of the default event bus, as JSON, by the rule's name."""
        with sorted_errors("EventBridge rules"):
            pages = self._aws.events.get_paginator("list_rules").paginate()
            return {
                rule["Name"]: rule["EventPattern"]
                for page in pages
                for rule in page["Rules"]
                if rule.get("EventPattern")
            }

    @cached_property
    def alarms(self) -> list[Alarm]:
        """The metric alarms of the region, up to the number that a preview can read within seconds."""
        with sorted_errors("CloudWatch alarms"):
            pages = self._aws.cloudwatch.get_paginator("describe_alarms").paginate(
                AlarmTypes=["MetricAlarm"], PaginationConfig={"MaxItems": _ALARMS}
            )
            return [_alarm(alarm) for page in pages for alarm in page["MetricAlarms"]]

    @property
    def all_alarms(self) -> bool:
        """Whether ``alarms`` is complete."""
        return len(self.alarms) < _ALARMS

    @cached_property
    def maintenance(self) -> Mapping[str, list[str]]:
        """The pending maintenance actions, such as ``system-update``, by the ARN of their resource."""
        with sorted_errors("pending maintenance"):
            pages = self._aws.rds.get_paginator("describe_pending_maintenance_actions").paginate()
            return {
                resource["ResourceIdentifier"]: [
                    detail["Action"] for detail in resource["PendingMaintenanceActionDetails"]
                ]
                for page in pages
                for resource in page["PendingMaintenanceActions"]
            }

    def key_policy(self, arn: str) -> Mapping[str, Any] | None:
        """Return the policy of a KMS key; ``None`` if the key is AWS's own."""
        with sorted_errors(f"policy of KMS key {arn}"):
            if self._aws.kms.describe_key(KeyId=arn)["KeyMetadata"].get("KeyManager") == "AWS":
                return None
            policy: dict[str, Any] = json.loads(
                self._aws.kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
            )
            return policy

    @cached_property
    def zones(self) -> list[str]:
        """The ids of the account's hosted zones, private ones first: applications seldom use public ones."""
        with sorted_errors("hosted zones"):
            zones = self._aws.route53.list_hosted_zones()["HostedZones"]
        zones.sort(key=lambda zone: not zone.get("Config", {}).get("PrivateZone"))
        return [zone["Id"].rpartition("/")[2] for zone in zones]

    @cached_property
    def aliases(self) -> list[tuple[str, str]]:
        """The CNAMEs of the first few zones, with their targets. Route 53 answers five requests a second, for all callers together."""
        with sorted_errors("CNAMEs"):
            return [
                (record["Name"].rstrip("."), value["Value"].rstrip(".").lower())
                for zone in self.zones[:ZONES]
                for record in self._aws.route53.list_resource_record_sets(HostedZoneId=zone)[
                    "ResourceRecordSets"
                ]
                if record["Type"] == "CNAME"
                for value in record.get("ResourceRecords", [])
            ]

    @cached_property
    def caller(self) -> str:
        """The caller's ARN."""
        with sorted_errors("the caller's identity"):
            return self._aws.sts.get_caller_identity()["Arn"]

    @cached_property
    def login_policies(self) -> Mapping[str, frozenset[str]]:
        """The databases that IAM policies allow logins to, as the resources of `rds-db:connect`, by the policy's name.

        Inline policies are named with their user, group or role: ``role app, policy login``.
        """
        logins: dict[str, frozenset[str]] = {}
        with sorted_errors("IAM policies"):
            pages = self._aws.iam.get_paginator("get_account_authorization_details").paginate(
                Filter=["User", "Group", "Role", "LocalManagedPolicy"], PaginationConfig={"PageSize": 1_000}
            )
            for page in pages:
                for policy in page["Policies"]:
                    current = [
                        version for version in policy["PolicyVersionList"] if version["IsDefaultVersion"]
                    ]
                    logins |= {
                        f"policy {policy['Arn'].rpartition('/')[2]}": _logins(version["Document"])
                        for version in current
                    }
                for kind in ("User", "Group", "Role"):
                    for owner in page[f"{kind}DetailList"]:
                        for inline in owner.get(f"{kind}PolicyList", []):
                            name = f"{kind.lower()} {owner[f'{kind}Name']}, policy {inline['PolicyName']}"
                            logins[name] = _logins(inline["PolicyDocument"])
        return {name: resources for name, resources in logins.items() if resources}

    def not_allowed(
        self, caller: str, actions: list[str], resource: str, context: Mapping[str, str]
    ) -> list[str]:
        """Simulate the actions, and return those that IAM would refuse the user or role on the resource."""
        with sorted_errors(f"permissions of {caller}"):
            answer = self._aws.iam.simulate_principal_policy(
                PolicySourceArn=caller,
                ActionNames=actions,
                ResourceArns=[resource],
                ContextEntries=[
                    {
                        "ContextKeyName": key,
                        "ContextKeyValues": [value],
                        "ContextKeyType": "boolean" if value in {"true", "false"} else "string",
                    }
                    for key, value in context.items()
                ],
            )
        results = answer["EvaluationResults"]
        return [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]


def _logins(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the resources to which a policy allows `rds-db:connect`."""
    return frozenset(
        resource
        for statement in _several(document["Statement"])
        if statement["Effect"] == "Allow"
        and any(action.lower().startswith("rds-db:") for action in _several(statement.get("Action", [])))
        for resource in _several(statement.get("Resource", []))
    )


def _several(value: Any) -> list[Any]:
    """Return a list: IAM lets a list of one be written without brackets."""
    return value if isinstance(value, list) else [value]


def _alarm(described: Mapping[str, Any]) -> Alarm:
    stats = [query.get("MetricStat", {}).get("Metric", {}) for query in described.get("Metrics", [])]
    dimensions = [dimension for metric in (described, *stats) for dimension in metric.get("Dimensions", [])]
    named = {dimension["Value"] for dimension in dimensions if dimension["Name"] == "DBInstanceIdentifier"}
    parts = [str(part) for part in (described.get("Metrics"), dimensions)]
    return Alarm(described["AlarmName"], frozenset(named), " ".join(parts))
