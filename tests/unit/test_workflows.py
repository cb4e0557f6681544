"""The example workflows: what they run is there, and the comment is written once and then changed."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import yaml  # type: ignore[import-untyped] # comes with pulumi, without types

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "workflows"
WORKFLOWS = sorted(EXAMPLES.glob("*.yml"))


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sticky_comment", EXAMPLES / "sticky_comment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


comment = load()


class GitHub(BaseHTTPRequestHandler):
    """As much of GitHub's API as the script uses, with two comments per page."""

    comments: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        number = int((re.search(r"[?&]page=(\d+)", self.path) or [0, 1])[1])
        more = len(self.comments) > number * 2
        url = f"http://127.0.0.1:{self.server.server_port}{self.path.partition('?')[0]}?page={number + 1}"  # type: ignore[attr-defined] # it has one
        self.answer(self.comments[number * 2 - 2 : number * 2], f'<{url}>; rel="next"' if more else "")

    def do_POST(self) -> None:
        self.comments.append({"id": len(self.comments) + 1, **self.content()})
        self.answer(self.comments[-1])

    def do_PATCH(self) -> None:
        existing = next(entry for entry in self.comments if str(entry["id"]) == self.path.rpartition("/")[2])
        existing.update(self.content())
        self.answer(existing)

    def content(self) -> dict[str, Any]:
        assert self.headers["Authorization"] == "Bearer a-token"
        return dict(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, content: Any, link: str = "") -> None:
        self.send_response(200)
        self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def comments(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    GitHub.comments = [{"id": number, "body": "looks good"} for number in (1, 2)]
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "shop/databases")
    monkeypatch.setenv("GITHUB_TOKEN", "a-token")
    yield GitHub.comments
    server.shutdown()
    server.server_close()


def run(plans: Path, outcome: str = "success", stack: str = "prod") -> None:
    arguments = ["--stack", stack, "--number", "7", "--outcome", outcome, "--run", "https://run"]
    assert comment.main([*arguments, "--plans", str(plans)]) == 0


def test_one_comment_is_written_and_then_changed(comments: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "orders-plan.md").write_text("### `orders`: phase `replicate`", encoding="utf-8")
    run(tmp_path)
    assert [entry["body"] for entry in comments[:2]] == ["looks good"] * 2
    assert "### `orders`: phase `replicate`" in comments[2]["body"]

    (tmp_path / "orders-plan.md").write_text("### `orders`: phase `cutover`", encoding="utf-8")
    run(tmp_path)
    assert len(comments) == 3
    assert "phase `cutover`" in comments[2]["body"]
    assert "phase `replicate`" not in comments[2]["body"]


def test_each_stack_has_a_comment_of_its_own(comments: list[dict[str, Any]], tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, stack="test")
    assert len(comments) == 4


def test_a_failed_preview_shows_no_stale_plan(comments: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "orders-plan.md").write_text("### `orders`: phase `replicate`", encoding="utf-8")
    run(tmp_path, outcome="failure")
    assert "**The preview failed**: [its log](https://run)" in comments[2]["body"]
    assert "### `orders`" not in comments[2]["body"]


def test_findings_stand_below_the_plan_of_their_source(
    comments: list[dict[str, Any]], tmp_path: Path
) -> None:
    for name in ("orders", "shop-invoices"):
        (tmp_path / f"{name}-plan.md").write_text(f"### `{name}`: phase `replicate`", encoding="utf-8")
        (tmp_path / f"{name}-findings.md").write_text(f"- **Warning**: {name}: a flaw", encoding="utf-8")
    run(tmp_path)
    assert re.findall(r"### `[\w-]+`|[\w-]+: a flaw", comments[2]["body"]) == [
        "### `orders`",
        "orders: a flaw",
        "### `shop-invoices`",
        "shop-invoices: a flaw",
    ]


def test_a_failed_preview_shows_what_blocks_it(comments: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "orders-plan.md").write_text("of an earlier preview", encoding="utf-8")
    (tmp_path / "orders-findings.md").write_text("- **Blocking**: orders: it is stopped", encoding="utf-8")
    run(tmp_path, outcome="failure")
    body = comments[2]["body"]
    assert "### `orders`\n\n- **Blocking**: orders: it is stopped" in body
    assert body.index("it is stopped") < body.index("**The preview failed**")
    assert "of an earlier preview" not in body


def test_a_plan_for_many_sources_stays_within_what_github_takes() -> None:
    plans = dict.fromkeys(("orders", "invoices"), ("plan " * 10000, "finding"))
    text = comment.body("prod", plans, "success", "https://run")
    assert len(text) < 65_536
    assert "https://run" in text


def test_a_refusal_of_github_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GITHUB_REPOSITORY", "shop/databases")
    monkeypatch.setenv("GITHUB_TOKEN", "a-token")
    arguments = ["--stack", "prod", "--number", "7", "--outcome", "success", "--run", "https://run"]
    assert comment.main([*arguments, "--plans", str(tmp_path)]) == 1


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflows_hold_no_keys_and_run_what_is_there(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"]["id-token"] == "write"
    assert "AWS_SECRET" not in text
    assert "aws-access-key-id" not in text
    for script in re.findall(r"python (\S+\.py)", text):
        assert (ROOT / script).is_file()
    assert (ROOT / "requirements.txt").is_file()


@pytest.mark.parametrize(
    "file", [*WORKFLOWS, *sorted((ROOT / ".github" / "workflows").glob("*.yml"))], ids=lambda file: file.name
)
def test_every_action_is_pinned_by_commit(file: Path) -> None:
    used = re.findall(r"uses: (.+)", file.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_only_an_approved_run_changes_anything() -> None:
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
        for job in workflow["jobs"].values():
            commands = {step["with"]["command"] for step in job["steps"] if "pulumi/" in step.get("uses", "")}
            assert job.get("environment") == ("rds-encrypt" if commands & {"up", "destroy"} else None)


def test_they_do_not_run_in_this_repository() -> None:
    here = {file.name for file in (ROOT / ".github" / "workflows").glob("*.yml")}
    assert not here & {file.name for file in WORKFLOWS}
    assert len(WORKFLOWS) == 4
