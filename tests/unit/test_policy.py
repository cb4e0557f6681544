"""The policies, asked over gRPC as the engine asks them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.policy_pack import Pack, running

INSTANCE = "aws:rds/instance:Instance"
COPY = "aws:rds/snapshotCopy:SnapshotCopy"
CUTOVER = "pulumi-python:dynamic/rds:Cutover"
RETIREMENT = "pulumi-python:dynamic/rds:Retirement"
VERIFICATION = "pulumi-python:dynamic/rds:Verification"
WRITE_FENCE = "pulumi-python:dynamic/rds:WriteFence"
KEY = "arn:aws:kms:us-east-1:123456789012:key/ours"
OTHER = "arn:aws:kms:us-east-1:123456789012:key/another"


@pytest.fixture(scope="module")
def pack() -> Iterator[Pack]:
    with running() as pack:
        yield pack


@pytest.fixture(autouse=True)
def _as_delivered(pack: Pack) -> None:
    pack.configure()


def cut_over(days: float, name: str = "orders") -> tuple[str, str, dict[str, Any]]:
    opened = datetime.now(UTC) - timedelta(days=days)
    return CUTOVER, name, {"timeline": {"open": opened.isoformat(timespec="milliseconds")}}


def verification(mode: str = "full", name: str = "orders") -> tuple[str, str, dict[str, Any]]:
    return VERIFICATION, name, {"verify": {"level": mode}}


def test_the_docs_list_the_policies(pack: Pack) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "pull-requests.md"
    table = page.read_text(encoding="utf-8").partition("## Policies")[2]
    assert set(re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE)) == pack.names()


@pytest.mark.parametrize(
    ("props", "refused"),
    [
        ({"engine": "mysql"}, True),
        ({"storageEncrypted": False}, True),
        ({"tags": {"rds-encrypt:role": "source"}}, True),
        ({"storageEncrypted": True, "kmsKeyId": KEY}, False),
        ({"tags": {"rds-encrypt:role": "replica"}}, False),
        ({"identifier": "orders", "instanceClass": "db.t3.micro"}, False),
    ],
)
def test_unencrypted_instances_are_refused(pack: Pack, props: dict[str, Any], *, refused: bool) -> None:
    violations = pack.resource(INSTANCE, **props)
    assert any(violation.startswith("storage-is-encrypted: ") for violation in violations) is refused


@pytest.mark.parametrize(
    ("kind", "props", "any_key", "one_key"),
    [
        (INSTANCE, {"storageEncrypted": True}, True, True),
        (INSTANCE, {"storageEncrypted": True, "kmsKeyId": KEY}, False, False),
        (INSTANCE, {"storageEncrypted": True, "kmsKeyId": OTHER}, False, True),
        (INSTANCE, {"storageEncrypted": True, "snapshotIdentifier": "orders-encrypted"}, False, False),
        (COPY, {"kmsKeyId": KEY}, False, False),
        (COPY, {"kmsKeyId": OTHER}, False, True),
    ],
)
def test_keys_are_customers_own(
    pack: Pack, kind: str, props: dict[str, Any], *, any_key: bool, one_key: bool
) -> None:
    for settings, refused in (({}, any_key), ({"key_of_your_own": {"keys": [KEY]}}, one_key)):
        pack.configure(**settings)
        violations = pack.resource(kind, **props)
        assert any(violation.startswith("key-of-your-own: ") for violation in violations) is refused, settings


def test_a_cut_over_needs_a_comparison(pack: Pack) -> None:
    assert pack.stack(cut_over(0), verification()) == set()
    for resources in (
        [cut_over(0)],
        [cut_over(0), verification("off")],
        [cut_over(0), verification(name="x")],
    ):
        (violation,) = pack.stack(*resources)
        assert violation.startswith("verified-before-cutover: ")
        assert "orders would be cut over without a comparison of the data" in violation
    assert pack.stack(cut_over(0), (RETIREMENT, "orders", {})) == set()
    assert pack.stack(cut_over(0), (WRITE_FENCE, "orders", {})) == set()
    assert len(pack.stack(cut_over(0), (WRITE_FENCE, "another", {}))) == 1


def test_what_is_left_behind_is_told_after_a_while(pack: Pack) -> None:
    assert pack.stack(cut_over(13), verification()) == set()
    (violation,) = pack.stack(cut_over(15.5), verification())
    assert "no-temporary-resources" in violation
    assert "orders was cut over 15 days ago" in violation
    assert pack.stack(cut_over(15), verification(), (RETIREMENT, "orders", {})) == set()

    pack.configure(no_temporary_resources={"days": 3})
    assert len(pack.stack(cut_over(13), verification())) == 1
    assert pack.stack((CUTOVER, "orders", {"timeline": None}), verification()) == set()
