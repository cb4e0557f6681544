"""The suite's lines: ratios, limits, sentences, and what becomes of the others when a part fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from dev.bench import __main__ as suite
from dev.bench.lines import Line, at_least, at_most, failed, markdown, sentences
from dev.bench.machine import Machine

SLOW = Line("preview", 6.0, "s", 2.0, "as many plain resources", at_most(2.0))
FAST = Line("verification", 300.0, "rows/s", 100.0, "CHECKSUM TABLE", at_least(0.8))


def test_a_ratio_over_its_limit_is_a_sentence_with_both() -> None:
    assert sentences([SLOW, FAST]) == ["preview: 3 × as many plain resources, and the limit is ≤ 2"]


def test_a_ratio_at_its_limit_keeps_it() -> None:
    assert Line("x", 2.0, "s", 2.0, "y", at_most(1.0)).complaint is None
    assert Line("x", 2.0, "s", 2.0, "y", at_least(1.0)).complaint is None


def test_without_a_ratio_the_limit_is_one_on_the_figure_itself() -> None:
    assert Line("outage", 2.5, "s", limit=at_most(2.0)).complaint == "outage: 2.5 s, and the limit is ≤ 2"
    assert Line("outage", 1.5, "s", limit=at_most(2.0)).complaint is None


def test_one_lost_write_breaks_the_promise_whether_the_runbook_lost_some_or_not() -> None:
    for theirs in (0, 500):
        assert Line("lost", 1, "", theirs, "runbook", at_most(0)).complaint
        assert Line("lost", 0, "", theirs, "runbook", at_most(0)).complaint is None


def test_a_part_that_failed_says_so_and_counts_as_broken() -> None:
    line = failed("calls", "CommandFailed: up")
    assert line.as_json()["trouble"] == "CommandFailed: up"
    assert sentences([line]) == ["calls: no figure, CommandFailed: up"]


def test_a_page_of_the_documentation_gets_the_same_table() -> None:
    titles, rule, row, broken = markdown([SLOW, failed("x", "broken")]).splitlines()
    assert titles.count("|") == rule.count("|") == row.count("|") == broken.count("|")
    assert row == "| preview | 6 s | 2 s | 3.00 | ≤ 2 | as many plain resources |"


def test_what_stops_a_part_is_told_in_its_line_after_those_that_it_had() -> None:
    def part() -> Iterator[Line]:
        yield SLOW
        raise TimeoutError("it took too long")

    lines = suite.measured("preview", part, lambda _sentence: None)
    assert lines[0] == SLOW
    assert lines[1].trouble == "TimeoutError: it took too long"


@dataclass(frozen=True)
class Parts:
    """Some parts in place of those that measure."""

    parts: dict[str, Callable[[], Iterable[Line]]]


def run(monkeypatch: pytest.MonkeyPatch, build: Path, **parts: Callable[[], Iterable[Line]]) -> int:
    machine = Machine("AMD EPYC", 2, 24.0, "Linux 6", 0.1, {"MySQL": "8.0.31"})
    monkeypatch.setattr(suite, "describe", lambda _engine: machine)
    monkeypatch.setattr(suite, "Suite", lambda *_given: Parts(parts))
    monkeypatch.setattr(suite, "BUILD", build)
    return suite.main(["--only", *parts])


def broken() -> Iterable[Line]:
    raise RuntimeError("the sandbox did not start")


def test_every_line_within_its_limit_is_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, tmp_path, verification=lambda: [FAST]) == 0
    assert json.loads((tmp_path / "bench.json").read_text(encoding="utf-8")) == [FAST.as_json()]
    machine = json.loads((tmp_path / "bench-machine.json").read_text(encoding="utf-8"))
    assert (machine["processor"], machine["load"], machine["versions"]) == (
        "AMD EPYC",
        0.1,
        {"MySQL": "8.0.31"},
    )
    assert "AMD EPYC" in (tmp_path / "bench.md").read_text(encoding="utf-8")


def test_a_line_over_its_limit_is_failure_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, stack=lambda: [SLOW], verification=lambda: [FAST]) == 1
    assert "✗ preview: 3 × as many plain resources, and the limit is ≤ 2." in capsys.readouterr().out


def test_a_part_that_fails_is_failure_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, stack=broken, verification=lambda: [FAST]) == 1
    names = [line["name"] for line in json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))]
    assert names == ["stack", "verification"]
    assert "stack: no figure, RuntimeError: the sandbox did not start" in capsys.readouterr().out


def test_an_interrupt_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted() -> Iterable[Line]:
        raise KeyboardInterrupt

    assert run(monkeypatch, tmp_path, verification=lambda: [FAST], stack=interrupted) == 130
    assert len(json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))) == 1


def test_every_part_that_can_be_chosen_exists() -> None:
    asked = suite.Suite(False, "8.0", (), Path(), Console(), lambda _sentence: None)
    assert tuple(asked.parts) == suite.PARTS
