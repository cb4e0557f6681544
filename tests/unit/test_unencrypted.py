"""The list of unencrypted instances as text, and the config that is written. (Against AWS's API: tests/engine/test_preflight.py.)"""

from __future__ import annotations

import pytest
import yaml  # type: ignore[import-untyped] # comes with pulumi, without types

from components.settings import parse
from rds_encrypt.check import Finding, Severity
from rds_encrypt.scan import candidates, config, table
from rds_encrypt.scan.candidates import Candidate
from tests.unit.fakes import FakeAws, instance

BLOCKED = Finding(Severity.BLOCKING, "its backup retention period is 0", "invoices", fix="Set it")
MINDED = Finding(Severity.WARNING, "it has replicas of its own: reports", "orders", "they stay")
KNOWN = Finding(Severity.NOTE, "deletion protection is on", "orders")
FOUND = [Candidate(instance("invoices"), (BLOCKED,)), Candidate(instance("orders"), (MINDED, KNOWN, KNOWN))]


def test_each_instance_has_a_line_with_its_findings_counted() -> None:
    lines = table.rendered(FOUND, "eu-west-1", details=False).splitlines()
    assert lines[0] == "2 unencrypted RDS for MySQL instance(s) in eu-west-1"
    assert lines[2].split() == ["instance", "version", "class", "storage", "findings"]
    assert lines[3].endswith("20 GiB   1 blocking")
    assert lines[5].endswith("20 GiB   1 warning, 2 notes")


def test_what_blocks_is_always_told_and_the_rest_on_demand() -> None:
    short, full = (table.rendered(FOUND, "eu-west-1", details=details) for details in (False, True))
    assert "- blocking: invoices: its backup retention period is 0. Set it." in short
    assert "replicas of its own" not in short
    assert "- warning: orders: it has replicas of its own: reports. They stay." in full
    assert max(map(len, full.splitlines())) <= 100


def test_nothing_to_list_is_said() -> None:
    assert (
        table.rendered([], "eu-west-1", details=True)
        == "No unencrypted RDS for MySQL instance in eu-west-1.\n"
    )


def test_the_config_is_one_that_the_program_takes() -> None:
    written = yaml.safe_load(config.rendered(["orders", "invoices"], "eu-west-1", "alias/databases"))[
        "config"
    ]
    assert written["aws:region"] == "eu-west-1"
    settings = parse({"phase": written["rds-encrypt:phase"], "sources": written["rds-encrypt:sources"]})
    assert [source.identifier for source in settings.sources] == ["orders", "invoices"]
    assert {source.kms_key for source in settings.sources} == {"alias/databases"}
    assert settings.sources[0].credentials.secret_id == "orders/master"


def test_only_what_is_not_encrypted_by_any_key_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_findings", lambda *_check_context: [])
    aws = FakeAws(
        instance("orders"),
        instance("billing", StorageEncrypted=True, StorageEncryptionType="sse-kms"),
        instance("reports", StorageEncrypted=False, StorageEncryptionType="sse-rds"),
        instance("shop", StorageEncryptionType="none"),
    )
    assert [candidate.identifier for candidate in candidates.candidates(aws)] == ["orders", "shop"]
