"""Where the state lies: found as the CLI finds it, and told apart by machine and organisation."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pulumi
import pytest

from components.backend import backend_mark, backend_url


def resolved_url(tmp_path: Path, *, variable: str = "", project: str = "", login: str = "") -> str:
    (tmp_path / "Pulumi.yaml").write_text(f"name: rds-encrypt\n{project}", encoding="utf-8")
    if login:
        content = {"current": login, "accessTokens": {login: "pul-secret"}}
        (tmp_path / "credentials.json").write_text(json.dumps(content), encoding="utf-8")
    environment = {"PULUMI_HOME": str(tmp_path), "PULUMI_BACKEND_URL": variable}
    return backend_url(environment, tmp_path / "Pulumi.yaml")


def test_the_variable_comes_first_then_the_project_then_the_login(tmp_path: Path) -> None:
    project = "backend:\n  url: s3://of-the-project\n"
    assert resolved_url(tmp_path, variable="s3://set/", project=project, login="s3://chosen") == "s3://set"
    assert resolved_url(tmp_path, project=project, login="s3://chosen") == "s3://of-the-project"
    assert resolved_url(tmp_path, login="s3://chosen") == "s3://chosen"


def test_whoever_says_nothing_keeps_the_state_in_the_cloud(tmp_path: Path) -> None:
    assert resolved_url(tmp_path) == "https://api.pulumi.com"


@pytest.mark.parametrize("broken", ["{", "[]", "\x00"])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, broken: str) -> None:
    for name in ("Pulumi.yaml", "credentials.json"):
        (tmp_path / name).write_text(broken, encoding="utf-8")
    assert backend_url({"PULUMI_HOME": str(tmp_path)}, tmp_path / "Pulumi.yaml") == "https://api.pulumi.com"


def test_a_mark_tells_addresses_machines_and_organisations_apart_and_no_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marks = []
    for url, machine, organisation in (
        ("s3://one", "laptop", "shop"),
        ("s3://two", "laptop", "shop"),
        ("s3://one", "laptop", "bank"),
        ("file:///home/me/state", "laptop", "organization"),
        ("file:///home/me/state", "desk", "organization"),
    ):
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
        monkeypatch.setattr(platform, "node", lambda machine=machine: machine)
        monkeypatch.setattr(pulumi, "get_organization", lambda organisation=organisation: organisation)
        marks.append(backend_mark())
    assert len(set(marks)) == len(marks)
    assert all(len(mark) == 12 and mark.isalnum() for mark in marks)


def test_a_directory_is_the_same_however_files_are_written_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "get_organization", lambda: "organization")
    marks = set()
    for url in (
        "file:///home/me/state",
        "file:///home/me/state?metadata=skip",
        "file:///home/me/state/?no_tmp_dir=true",
    ):
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
        marks.add(backend_mark())
    assert len(marks) == 1


def test_a_bucket_is_the_same_from_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://one")
    monkeypatch.setattr(pulumi, "get_organization", lambda: "shop")
    marks = set()
    for machine in ("laptop", "desk"):
        monkeypatch.setattr(platform, "node", lambda machine=machine: machine)
        marks.add(backend_mark())
    assert len(marks) == 1
