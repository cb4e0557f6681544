"""Route 53: reads and changes the record that applications resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.settings import DnsSettings

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef

__all__ = ["point", "target"]


def target(aws: Aws, dns: DnsSettings) -> str:
    """Return the target of the CNAME.

    Raises:
        PreconditionFailed: the zone has no such CNAME.
    """
    return _record(aws, dns)["ResourceRecords"][0]["Value"].rstrip(".")


def point(aws: Aws, dns: DnsSettings, address: str) -> None:
    """Point the CNAME at another host, keeping its TTL; Route 53 serves the change within seconds."""
    present = _record(aws, dns)
    if present["ResourceRecords"][0]["Value"].rstrip(".") == address:
        return
    with sorted_errors(f"record {dns.record}"):
        aws.route53.change_resource_record_sets(
            HostedZoneId=dns.hosted_zone_id,
            ChangeBatch={
                "Comment": "rds-encrypt: applications move to the other instance",
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": dns.record,
                            "Type": "CNAME",
                            "TTL": present.get("TTL", 5),
                            "ResourceRecords": [{"Value": address}],
                        },
                    }
                ],
            },
        )


def _record(aws: Aws, dns: DnsSettings) -> ResourceRecordSetOutputTypeDef:
    with sorted_errors(f"record {dns.record}"):
        records = aws.route53.list_resource_record_sets(
            HostedZoneId=dns.hosted_zone_id, StartRecordName=dns.record, StartRecordType="CNAME", MaxItems="1"
        )["ResourceRecordSets"]
    if (
        not records
        or records[0]["Type"] != "CNAME"
        or records[0]["Name"].rstrip(".") != dns.record.rstrip(".")
    ):
        raise PreconditionFailed(
            "there is no such CNAME",
            where=f"record {dns.record} in hosted zone {dns.hosted_zone_id}",
            fix="Correct it in the config, or create the record, pointing at the present instance, and let applications use it",
        )
    if "SetIdentifier" in records[0]:
        raise PreconditionFailed(
            "it is one of several records of this name (weighted, latency or the like), which rds-encrypt does not change",
            where=f"record {dns.record} in hosted zone {dns.hosted_zone_id}",
            fix="Give the config a simple CNAME, or move this record yourself",
        )
    return records[0]
