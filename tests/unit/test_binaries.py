"""Which server a version or a series means."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dev.sandbox.mysql import MySQLNotInstalled, binaries, find_binaries
from dev.sandbox.rds.engines import VERSIONS

PINNED = Path(__file__).resolve().parents[2] / "dev" / "tools" / "versions.toml"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Servers as set-up leaves them, beside one that is still being fetched, and none on PATH."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "CACHE", tmp_path)
    monkeypatch.setattr(binaries, "_fetch", lambda _version: None)
    for name in ("8.0.15", "8.0.31", "9.7.5", "5.7.22.part"):
        program = tmp_path / name / "bin" / "mysqld"
        program.parent.mkdir(parents=True)
        program.touch()
    return tmp_path


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("requested", "version"),
    [("8.0", "8.0.31"), ("8.0.15", "8.0.15"), ("8.0.31", "8.0.31"), ("9.7", "9.7.5")],
)
def test_the_newest_of_a_series_or_the_very_version(requested: str, version: str) -> None:
    assert find_binaries(requested).version == version


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("requested", ["5.7", "8.0.3", "9.7.4"])
def test_one_that_is_not_there(requested: str) -> None:
    with pytest.raises(MySQLNotInstalled, match=f"run `make setup SERVERS={requested}`"):
        find_binaries(requested)


def test_an_older_release_does_not_stand_for_its_series(cache: Path) -> None:
    (cache / "8.0.31" / "bin" / "mysqld").unlink()
    with pytest.raises(MySQLNotInstalled):
        find_binaries("8.0")


def test_the_sandbox_serves_what_set_up_gets() -> None:
    data = tomllib.loads(PINNED.read_text("utf-8"))
    assert set(VERSIONS.values()) <= {server["version"] for server in (*data["mysql"], data["debian-mysql"])}
