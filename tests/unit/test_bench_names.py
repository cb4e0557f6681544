from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from dev.bench.names import make_record
from dev.workload.database import Address
from rds_encrypt.aws import dns_records
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.settings import DnsSettings

OLD = Address("127.77.0.1", 3306, Path("ca.pem"))


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@mock_aws
def test_the_record_leads_to_the_instance_and_then_to_where_the_program_points_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("dev.bench.names.time.monotonic", lambda: clock[0])
    record = make_record(boto3.client("route53"), OLD)
    assert record() == OLD

    dns = DnsSettings(record.zone, record.name)
    dns_records.point(Aws(AwsSettings(region="us-east-1")), dns, "127.77.0.2")

    assert record().host == "127.77.0.1", "a client remembers it for its time to live"
    clock[0] += 1.0
    assert record() == Address("127.77.0.2", OLD.port, OLD.authorities)
