"""Route 53: reads and changes the record that applications resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.core.errors import PreconditionFailed

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef

__all__ = ["point", "target"]


def target(aws: Aws, zone: str, name: str) -> str:
    """Return the target of the CNAME.

    Raises:
        PreconditionFailed: the zone has no such CNAME.
    """
    return _record(aws, zone, name)["ResourceRecords"][0]["Value"].rstrip(".")


def point(aws: Aws, zone: str, name: str, address: str) -> None:
    """Point the CNAME at another host, keeping its TTL; Route 53 serves the change within seconds."""
    present = _record(aws, zone, name)
    if present["ResourceRecords"][0]["Value"].rstrip(".") == address:
        return
    with sorted_errors(f"record {name}"):
        aws.route53.change_resource_record_sets(
            HostedZoneId=zone,
            ChangeBatch={
                "Comment": "rds-encrypt: applications move to the other instance",
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": name,
                            "Type": "CNAME",
                            "TTL": present.get("TTL", 5),
                            "ResourceRecords": [{"Value": address}],
                        },
                    }
                ],
            },
        )


def _record(aws: Aws, zone: str, name: str) -> ResourceRecordSetOutputTypeDef:
    with sorted_errors(f"record {name}"):
        found = aws.route53.list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=name, StartRecordType="CNAME", MaxItems="1"
        )["ResourceRecordSets"]
    if not found or found[0]["Type"] != "CNAME" or found[0]["Name"].rstrip(".") != name.rstrip("."):
        raise PreconditionFailed(
            "there is no such CNAME",
            where=f"record {name} in hosted zone {zone}",
            fix="Correct `cutover.dns`, or create the record, pointing at the source, and let applications use it",
        )
    return found[0]
