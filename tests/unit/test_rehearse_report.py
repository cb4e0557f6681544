"""The report on a rehearsal: the page, the figures, and a text for a public issue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rds_encrypt.rehearse.facts import judge
from rds_encrypt.rehearse.neutral import neutral
from rds_encrypt.rehearse.report import Subject, publish, timed
from rds_encrypt.reports.files import Files
from rds_encrypt.settings import PriceSettings
from tests.unit.rehearsals import COPY, Made, rename, whole

PRIVATE = (
    "RDS's procedure reports an error (1644 Wait for arn:aws:rds:eu-central-1:123456789012:db:shop-rehearsal-old,"
    " shop-rehearsal.c9akciq32.eu-central-1.rds.amazonaws.com at 10.20.30.40, <b>shop</b>)"
)


def written(made: Made, directory: Path, **subject: Any) -> tuple[str, dict[str, Any]]:
    measured = made.measure()
    about = Subject("shop", "MySQL 8.0.41", "db.r6g.large", **subject)
    path = publish(
        Files("shop", directory=directory),
        about,
        measured,
        judge(made.observations, measured),
        reports=made.directory / "reports",
    )
    assert path == directory / "rehearsal-shop.html"
    figures = json.loads((directory / "rehearsal-shop.json").read_text(encoding="utf-8"))
    return path.read_text(encoding="utf-8"), figures


def test_what_the_real_cutover_will_cost(tmp_path: Path) -> None:
    prices = PriceSettings(instance_hour=0.5, storage_month=0.1, snapshot_month=0.05)
    page, figures = written(whole(tmp_path), tmp_path / "build", prices=prices, standby=True)
    assert "A cutover will refuse writes for about 1 min 40 s, of which AWS's renames take 94.0 s." in page
    assert "none lost, none twice</span> of 5,000" in page
    assert "about 1.55 USD an hour" in page
    assert figures["outage"] == {"low": 100.0, "median": 100.0, "high": 100.0}
    assert figures["writes"] == {"acknowledged": 5000, "lost": 0, "duplicates": 0}


def test_without_prices_nothing_is_said_of_money(tmp_path: Path) -> None:
    page, _ = written(whole(tmp_path), tmp_path / "build")
    assert "<dt>Cost</dt>" not in page
    assert "Answered differently" not in page


def test_times_are_compared_with_the_estimates(tmp_path: Path) -> None:
    made = whole(tmp_path)
    rename(made, 5000, "db-E", COPY, f"{COPY}-encrypted", seconds=3000)
    measured = made.measure()
    timings = {kind: timed(measured, kind) for kind in ("replica", "copy", "rename", "stop", "create")}
    assert {kind: timing.compared if timing else "absent" for kind, timing in timings.items()} == {
        "replica": "as estimated",
        "copy": "faster",
        "rename": "as estimated",
        "stop": "absent",
        "create": None,
    }
    rename(made, 9000, "db-E", COPY, f"{COPY}-encrypted", seconds=3000)
    rename(made, 13000, "db-E", COPY, f"{COPY}-encrypted", seconds=3000)
    slow = timed(made.measure(), "rename")
    assert slow is not None
    assert slow.compared == "slower"


def test_a_difference_can_be_pasted_into_an_issue(tmp_path: Path) -> None:
    made = whole(tmp_path)
    made.call(3000, "mysql.rds_start_replication", 0.02, PRIVATE, ok=False)
    page, figures = written(made, tmp_path / "build")
    issue = page.partition("<pre>")[2].partition("</pre>")[0]
    assert issue.startswith("RDS answered a fact differently in a rehearsal")
    assert "MySQL 8.0.41, db.r6g.large, 100 GiB" in issue
    assert "- **refusal-texts**: Procedures refuse in words that rds-encrypt knows." in issue
    assert "“Wait for (ARN) (host) at (address), &lt;b&gt;(the source)&lt;/b&gt;”" in issue
    for private in ("123456789012", "amazonaws", "10.20.30.40", COPY):
        assert private not in issue
        assert private not in json.dumps(figures)
    assert figures["facts"]["refusal-texts"]["answer"] == "different"


def test_a_limit_is_named_with_the_fact(tmp_path: Path) -> None:
    made = whole(tmp_path)
    made.move(3000, "3-rollback", "end", seconds=200.0, gap=None)
    made.cut_over(3000, "3-rollback", fenced=41)
    page, _ = written(made, tmp_path / "build")
    assert "Observed: rollback: after 0.0 s to 41.0 s. Limit: 10 s." in page


def test_an_empty_rehearsal_has_a_page(tmp_path: Path) -> None:
    page, figures = written(Made(tmp_path), tmp_path / "build")
    assert "No cutover was completed" in page
    assert figures["operations"] == {}


def test_the_lag_is_drawn(tmp_path: Path) -> None:
    made = whole(tmp_path)
    looks = [["2026-12-03T12:10:00.000+00:00", 30, 5000000], ["2026-12-03T12:11:00.000+00:00", 0, 0]]
    made.report("2-cutover", "lag.json", {"looks": looks})
    assert '<svg class="lag"' in written(made, tmp_path / "build")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "You can't start it because the replica isn't set up",
            "You can't start it because the replica isn't set up",
        ),
        ("Access denied for user 'rds'@'10.0.0.1' (1045)", "Access denied for user '…'@'…' (1045)"),
        ("shop-rehearsal-encrypted is shop", "(the encrypted instance) is (the source)"),
        ("workshop, shop-front", "workshop, shop-front"),
        ("db-ABCDEFGHIJ in vpc-0123456789abcdef0 of 123456789012", "(id) in (id) of (account)"),
        ("ip-10-0-0-1.eu-central-1.compute.internal", "(host)"),
        ("fe80:0:0:1:2:3:4:5", "(address)"),
        (
            "mysql.rds_start_replication at 2026-12-03 12:00:00",
            "mysql.rds_start_replication at 2026-12-03 12:00:00",
        ),
    ],
)
def test_neutral_words(text: str, expected: str) -> None:
    assert neutral(text, COPY) == expected
