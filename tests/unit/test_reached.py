"""What the sources of a stack have reached, in words: from values, and from those that a failed step never returns."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.output import UNKNOWN

from components.reached import state_reached, summary
from rds_encrypt.phases import Method, Phase

VERIFIED = {"verify_level": "full", "verified_at": "2026-11-25T08:00:00+00:00", "verified_rows": 1200}


@pytest.mark.parametrize(
    ("phase", "method", "outputs", "sentence"),
    [
        (
            "replicate",
            "online",
            VERIFIED,
            "the encrypted instance follows; found equal at 2026-11-25T08:00:00+00:00, 1,200 rows",
        ),
        (
            "replicate",
            "online",
            {"verify_level": "off", "verified_at": None},
            "the encrypted instance follows; not verified",
        ),
        ("replicate", "online", {**VERIFIED, "verify_level": UNKNOWN}, None),
        ("replicate", "offline", [], "prepared; phase `cutover` makes the copy"),
        (
            "cutover",
            "online",
            {**VERIFIED, "server_uuid": "f0", "write_outage": {"at_most": 7.25}},
            "cut over; writes were refused for 7.2 s at most",
        ),
        ("cutover", "offline", {"server_uuid": "f0", "write_outage": None}, "cut over"),
        (
            "cutover",
            "online",
            {"server_uuid": "f0", "old_clients": [{"sessions": 2.0}, {"sessions": 1.0}]},
            "cut over; the old instance still has 3 sessions of applications",
        ),
        ("cutover", "online", {**VERIFIED, "server_uuid": UNKNOWN}, None),
        ("rollback", "online", {"server_uuid": "f0"}, "rolled back"),
        ("cleanup", "online", {"old_status": "stopped"}, "cleaned up; the old instance is stopped"),
        ("cleanup", "online", UNKNOWN, None),
        ("cleanup", "online", {}, None),
    ],
)
def test_what_a_source_has_reached(phase: Phase, method: Method, outputs: Any, sentence: str | None) -> None:
    assert state_reached(phase, method, outputs) == sentence


def test_those_that_are_behind_are_named() -> None:
    assert summary({"orders": "cut over", "invoices": None}) == {
        "sources": 2,
        "as_configured": 1,
        "behind": ["invoices"],
        "each": {"orders": "cut over", "invoices": "has not reached its phase"},
    }
