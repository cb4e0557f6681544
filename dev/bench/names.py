"""What the application calls its database: the instance's own DNS name, or a record in Route 53 that leads to it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from rds_encrypt.rehearse.client import Address

__all__ = ["Record", "make_record"]

_ZONE = "shop.internal"
_RECORD = f"orders-db.{_ZONE}"
_TTL = 1
"""Seconds for which a client may remember the record, as one would set it before a move."""


@dataclass
class Record:
    """A CNAME record, resolved through Route 53 and remembered for its time to live, as by a stub resolver."""

    route53: Any
    zone: str
    name: str
    fallback: Address

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._known = self.fallback
        self._until = 0.0

    def __call__(self) -> Address:
        """Return the address that the record leads to."""
        with self._lock:
            if time.monotonic() >= self._until:
                record_set = self._look()
                self._known = replace(self.fallback, host=_host(record_set))
                self._until = time.monotonic() + float(record_set["TTL"])
            return self._known

    @property
    def target(self) -> str:
        """The host that it names at this moment, however long a client remembers another."""
        return _host(self._look())

    def _look(self) -> dict[str, Any]:
        sets = self.route53.list_resource_record_sets(
            HostedZoneId=self.zone, StartRecordName=self.name, StartRecordType="CNAME", MaxItems="1"
        )["ResourceRecordSets"]
        record_set: dict[str, Any] = sets[0]
        return record_set


def _host(record_set: dict[str, Any]) -> str:
    value: str = record_set["ResourceRecords"][0]["Value"]
    return value.rstrip(".")


def make_record(route53: Any, address: Address) -> Record:
    """Make a zone with a record that leads to the address."""
    made = route53.create_hosted_zone(Name=_ZONE, CallerReference=str(time.time_ns()))
    zone = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
    route53.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={
            "Changes": [
                {
                    "Action": "CREATE",
                    "ResourceRecordSet": {
                        "Name": _RECORD,
                        "Type": "CNAME",
                        "TTL": _TTL,
                        "ResourceRecords": [{"Value": address.host}],
                    },
                }
            ]
        },
    )
    return Record(route53, zone, _RECORD, address)
