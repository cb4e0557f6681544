"""The report and the ownership transfer: what they hold in each case, and that no value can break their form."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
import yaml  # type: ignore[import-untyped] # comes with pulumi, without types

from rds_encrypt.cutover.timeline import Moment
from rds_encrypt.replica_pairs import ReplicaPair
from rds_encrypt.reports import ownership_transfer, report
from rds_encrypt.reports.files import Files
from rds_encrypt.reports.ownership_transfer import OwnershipTransfer
from rds_encrypt.verification.differences import Difference
from tests.unit.fakes import instance

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1353e9c7"
SECONDS = {
    "fence_requested": 0,
    "fenced": 0.4,
    "drained": 0.6,
    "swap_began": 1,
    "second_renamed": 171,
    "open": 172,
}
VOID = {"meta"}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files("orders", directory=tmp_path)


def encrypted(name: str = "orders") -> Any:
    return instance(name, StorageEncrypted=True, KmsKeyId=KEY, DbiResourceId="db-E", MultiAZ=True)


def source() -> Any:
    return instance("orders-old", DbiResourceId="db-S")


def log(**changes: Any) -> dict[str, Any]:
    moments = {name: (NOON + timedelta(seconds=after)).isoformat() for name, after in SECONDS.items()}
    return {
        "identifier": "orders",
        "verb": "cutover",
        "outcome": "complete",
        "began": NOON.isoformat(),
        "moments": moments,
        "write_outage": {"at_least": 171.6, "at_most": 172, "ours": 2, "renames": 170},
        "mode": "replicate",
        "guards": [
            {
                "name": "instances-available",
                "green": False,
                "saw": "<b>no</b>",
                "forced": True,
                "accepted": "CHG-1",
            }
        ],
        "server_uuid": "uuid",
        "final_coordinates": "b.000009:400",
        "unenabled_events": [],
        "earlier": [],
        **changes,
    }


def verification(differences: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "clean": not differences,
        "verified_at": NOON.isoformat(),
        "verified_coordinates": "b.000009:400",
        "verified_rows": 200123,
        "verified_tables": 7,
        "verified_chunks": 31,
        "verify_seconds": 4.2,
        "verify_mode": "full",
        "differences": differences,
    }


class Form(HTMLParser):
    """Requires that every element is closed where it was opened, and notes what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(files: Files) -> str:
    text = files.path("report.html").read_text(encoding="utf-8")
    form = Form()
    form.feed(text)
    form.close()
    assert form.open == []
    # Readable without a network.
    assert form.loads == []
    assert "url(" not in text
    assert "@import" not in text
    return text


def test_a_report_has_the_timeline_the_check_and_the_settings(files: Files) -> None:
    files.write_json("cutover.json", log())
    report.publish(files, report.facts_of(source(), encrypted()))
    text = page(files)

    assert "Writes were refused for 2 min 52 s at most, of which AWS&#39;s renames took 2 min 50 s." in text
    assert text.count('<div class="bar refused"') == len(SECONDS) - 1
    assert "&lt;b&gt;no&lt;/b&gt;" in text
    assert "failed, accepted" in text
    assert "(accepted: CHG-1)" in text
    assert re.search(r"1 differ\.", text)
    assert "MultiAZ</td><td>–</td><td>True</td>" in text
    assert "Endpoint</td><td>orders-old.example</td><td>orders.example</td>" in text
    assert "the identity" in text
    assert "Phase <code>cleanup</code> has not run" in text
    assert "<li>in instance orders-old and its backups: until phase" in text
    assert "<li>in instance orders-not-encrypted, the replica: until phase" in text
    assert "No result of a verification" in text


def test_the_lag_is_drawn_until_the_drain(files: Files) -> None:
    before = [(NOON - timedelta(hours=1, seconds=-after)).isoformat() for after in (0, 40)]
    files.write_json(
        "lag.json", {"encrypted": "db-E", "looks": [[before[0], 40, 9_000_000], [before[1], 0, 0]]}
    )
    files.write_json("cutover.json", log())
    report.publish(files, {})
    text = page(files)
    assert text.count("<polyline") == 2
    assert text.count("<circle") == 2
    assert "MB of binlog behind: 9.0 MB at most" in text
    assert "Grey: not measured, for 59 min 21 s." in text

    files.remove("lag.json")
    report.publish(files, {})
    assert "No measurements: the catch-up ran elsewhere" in page(files)


def test_bars_stay_within_their_track(files: Files) -> None:
    files.write_json("cutover.json", log())
    report.publish(files, {})
    for left, width in re.findall(r"left:([\d.]+)%;width:([\d.]+)%", page(files)):
        assert 0 <= float(left) + float(width) <= 100.01


def test_one_that_was_called_off_says_why(files: Files) -> None:
    changes: dict[str, Any] = {
        "outcome": "aborted",
        "error": "a check failed.",
        "moments": {},
        "write_outage": None,
    }
    files.write_json("cutover.json", log(**changes, earlier=[log(**changes)]))
    report.publish(files, {})
    text = page(files)
    assert text.count("a check failed.") == 2
    assert text.count("Writes were never refused.") == 2


def test_what_was_known_before_stays_when_the_cleanup_is_added(files: Files) -> None:
    report.publish(files, report.facts_of(source(), encrypted()))
    left = {"gone": ["the replica"], "left": ["orders"], "unencrypted": "orders-old, until 2026-12-01"}
    report.publish(files, {"cleanup": left})
    text = page(files)
    assert "MultiAZ</td>" in text
    assert (
        '<h3>Unencrypted data remains</h3>\n<ul class="warn"><li>in orders-old, until 2026-12-01</li></ul>'
        in text
    )


def test_before_a_cut_over_is_complete_production_is_unencrypted(files: Files) -> None:
    for name, changes in (("cutover", {"outcome": "aborted"}), ("rollback", {"verb": "rollback"})):
        files.write_json(f"{name}.json", log(**changes))
        report.publish(files, report.facts_of(instance("orders", DbiResourceId="db-S"), encrypted("x")))
        assert "<li>in instance orders, which carries production: until a cutover is complete</li>" in page(
            files
        )
        files.remove(f"{name}.json")


def test_the_json_beside_the_report_has_all_of_it(files: Files) -> None:
    files.write_json("cutover.json", log())
    files.write_json("verification.json", verification([]))
    files.write_json("lag.json", {"encrypted": "db-E", "looks": [[NOON.isoformat(), 1, 5_000]] * 2})
    report.publish(files, report.facts_of(source(), encrypted()))
    assert "kB of binlog behind: 5.0 kB at most" in page(files)
    saved_report = files.read_json("report.json")
    assert saved_report is not None
    assert saved_report["swaps"] == [log()]
    assert saved_report["verification"] == verification([])
    assert len(saved_report["lag"]["looks"]) == 2
    assert saved_report["settings"]["different"][0]["setting"] == "MultiAZ"
    assert len(saved_report["unencrypted"]) == 3


def test_cutover_and_rollback_are_both_in_it(files: Files) -> None:
    later = (NOON + timedelta(hours=1)).isoformat()
    files.write_json("rollback.json", log(verb="rollback", began=later))
    files.write_json("cutover.json", log())
    report.publish(files, {})
    assert page(files).index("Cutover: ") < page(files).index("Rollback: ")


def test_a_clean_verification_is_shown(files: Files) -> None:
    files.write_json("verification.json", verification([]))
    report.publish(files, {})
    assert "200,123 rows of 7 tables are equal" in page(files)


def test_the_differences_of_a_verification_are_shown_as_sentences(files: Files) -> None:
    row = Difference("row", "shop.orders", "id=17", "present", "missing")
    files.write_json("verification.json", verification([row.as_plain()]))
    report.publish(files, {})
    text = html.unescape(page(files))
    assert ">1 difference<" in text
    assert f"<code>{row}</code>" in text


def test_the_hand_over_names_the_new_instance_in_every_tool(files: Files) -> None:
    ownership_transfer.write(files, OwnershipTransfer(encrypted(), "db-S", "orders"))
    text = files.path("ownership-transfer.md").read_text(encoding="utf-8")

    assert f'kms_key_id="{KEY}"' in text
    assert re.search(r'import \{\n  to = aws_db_instance\.orders\n  id = "orders"\n\}', text)
    assert "removed {\n  from = aws_db_instance.orders\n" in text
    (template,) = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (declared,) = yaml.safe_load(template)["Resources"].values()
    assert (declared["Type"], declared["DeletionPolicy"]) == ("AWS::RDS::DBInstance", "Retain")
    assert declared["Properties"]["KmsKeyId"] == KEY
    # What is a number for YAML is text for CloudFormation.
    assert {type(declared["Properties"][name]) for name in ("EngineVersion", "AllocatedStorage")} == {str}
    assert files.read_json("ownership-transfer-pulumi.json") == {
        "resources": [{"type": "aws:rds/instance:Instance", "name": "orders", "id": "db-E"}]
    }
    (resource,) = json.loads(files.path("ownership-transfer-cloudformation.json").read_text(encoding="utf-8"))
    assert resource["ResourceIdentifier"] == {"DBInstanceIdentifier": "orders"}
    assert f"  {resource['LogicalResourceId']}:\n    Type: AWS::RDS::DBInstance" in text
    # Every file that a command reads is there.
    for name in re.findall(r"orders-ownership-transfer-\w+\.json", text):
        assert (files.directory / name).exists()


def test_where_the_name_did_not_move_the_hand_over_says_so(files: Files) -> None:
    ownership_transfer.write(files, OwnershipTransfer(encrypted("orders-encrypted"), "db-S", "orders"))
    text = files.path("ownership-transfer.md").read_text(encoding="utf-8")
    assert "called `orders-encrypted`," in text
    assert "| identifier | `orders-encrypted` |" in text


def test_the_replicas_that_come_along_are_handed_over_too() -> None:
    counterpart = instance("orders-r1-encrypted", DbiResourceId="db-R1-ENCRYPTED")
    pairs = (ReplicaPair("orders-r1", "db-R1", None, counterpart),)
    transfer = OwnershipTransfer(encrypted(), "db-S", "orders", pairs)
    assert "| `orders-r1` | `db-R1` | `db-R1-ENCRYPTED` |" in transfer.page
    assert "`2 to import, 0 to add" in transfer.page
    resources = cast(Any, transfer.pulumi_import["resources"])
    assert [resource["id"] for resource in resources] == [encrypted().resource_id, "db-R1-ENCRYPTED"]
    # The name of its readers is its own a moment later; where no name moves, it keeps the one that it has.
    names = [
        cast(Any, one["ResourceIdentifier"])["DBInstanceIdentifier"] for one in transfer.cloudformation_import
    ]
    assert names == ["orders", "orders-r1"]
    stays = OwnershipTransfer(encrypted("orders-encrypted"), "db-S", "orders", pairs)
    assert stays.handed[1].name == "orders-r1-encrypted"
    assert "called `orders-r1-encrypted`" in stays.page


def test_names_with_hyphens_are_names_in_every_tool(files: Files) -> None:
    transfer = OwnershipTransfer(encrypted("shop-orders-2"), "db-S", "shop-orders-2")
    assert "aws_db_instance.shop_orders_2\n" in transfer.page
    assert transfer.cloudformation_import[0]["LogicalResourceId"] == "ShopOrders2"


def test_after_a_rollback_there_is_nothing_to_hand_over(files: Files) -> None:
    ownership_transfer.write(files, OwnershipTransfer(encrypted(), "db-S", "orders"))
    ownership_transfer.withdraw(files)
    assert list(files.directory.iterdir()) == []
    ownership_transfer.withdraw(files)


def test_every_moment_may_stand_in_a_report(files: Files) -> None:
    moments = {str(moment): (NOON + timedelta(seconds=n)).isoformat() for n, moment in enumerate(Moment)}
    files.write_json("cutover.json", log(moments=moments))
    report.publish(files, {})
    assert page(files).count('<div class="bar') == len(Moment) - 1


def test_a_report_names_the_clients_of_the_old_instance_until_none_is_left(files: Files) -> None:
    client = {"account": "<app>", "host": "10.0.0.7", "sessions": 2, "since": "2026-11-27T08:00:00+00:00"}
    for clients, shown in ([client], True), ([], False):
        report.publish(files, {"old_clients": clients})
        page = files.path("report.html").read_text(encoding="utf-8")
        assert ("Still connected to the old instance" in page) is shown
        assert ("<code>&lt;app&gt;</code>" in page and "2026-11-27 08:00:00" in page) is shown


def test_a_report_says_that_the_rollback_path_is_lost_and_why(files: Files) -> None:
    lost = "lost: orders-old can no longer follow production (13114)"
    files.write_json("cutover.json", log(rollback_path=lost, warnings=["orders-old keeps a tag"]))
    report.publish(files, report.facts_of(source(), encrypted()))
    page = files.path("report.html").read_text(encoding="utf-8")
    assert f"<dt>Rollback path</dt><dd>{lost}</dd>" in page
    assert '<p class="warn">orders-old keeps a tag</p>' in page
