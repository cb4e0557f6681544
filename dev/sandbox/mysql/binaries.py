"""Where the MySQL servers are: unpacked under `.cache/mysql/<version>` when first used, or the machine's own `mysqld`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dev.sandbox.mysql.errors import MySQLNotInstalled
from dev.sandbox.mysql.vocabulary import release_of

__all__ = ["CACHE", "MySQLBinaries", "find_binaries"]

_ROOT = Path(__file__).resolve().parents[3]
_SETUP = _ROOT / "dev" / "tools" / "setup.py"
CACHE = _ROOT / ".cache" / "mysql"


@dataclass(frozen=True)
class MySQLBinaries:
    """One version of the server as it lies on disk."""

    version: str
    home: Path

    @property
    def mysqld(self) -> Path:
        for folder in ("bin", "sbin", "libexec"):
            candidate = self.home / folder / "mysqld"
            if candidate.exists():
                return candidate
        raise MySQLNotInstalled(f"There is no mysqld under {self.home}: remove it, and it is fetched again.")

    @property
    def series(self) -> str:
        """The version without its last number: "8.0"."""
        return ".".join(self.version.split(".")[:2])

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to compare: (8, 0, 31)."""
        return release_of(self.version)

    @property
    def speaks_modern_tls(self) -> bool:
        """Whether its TLS is 1.2 or later: Oracle's builds before 5.7.28 have a library that ends at 1.1."""
        return self.release >= (5, 7, 28)


def find_binaries(version: str) -> MySQLBinaries:
    """The server for "8.0.31" or, newest first, for a series such as "8.0": fetched now if this is its first use."""
    binaries = _installed(version)
    if binaries is None:
        _fetch(version)
        binaries = _installed(version)
    if binaries is None:
        raise MySQLNotInstalled(
            f"No MySQL {version} server is in {CACHE}: run `make setup SERVERS={version}`."
        )
    return binaries


def _installed(version: str) -> MySQLBinaries | None:
    names = [entry.name for entry in CACHE.iterdir()] if CACHE.is_dir() else []
    oldest = _pinned().get(version, ())
    matching = [
        candidate
        for name in names
        if _matches(name, version) and (CACHE / name / "bin" / "mysqld").exists()
        if (candidate := MySQLBinaries(version=name, home=(CACHE / name).resolve())).release >= oldest
    ]
    if matching:
        return max(matching, key=lambda candidate: candidate.release)
    own = _machines_own()
    return own if own is not None and _matches(own.version, version) else None


def _fetch(version: str) -> None:
    command = [sys.executable, str(_SETUP), "--only-servers", "--server", version]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode != 0:
        raise MySQLNotInstalled(f"MySQL {version} could not be fetched: {fetched.stderr.strip()}")


@cache
def _pinned() -> dict[str, tuple[int, ...]]:
    """The release that each series stands for: the newest that set-up knows. An older one does not answer to the series' name."""
    data = tomllib.loads(_SETUP.with_name("versions.toml").read_text())
    releases = [release_of(server["version"]) for server in (*data["mysql"], data["debian-mysql"])]
    return {f"{release[0]}.{release[1]}": release for release in sorted(releases)}


def _matches(name: str, version: str) -> bool:
    return re.fullmatch(r"[0-9.]+", name) is not None and (name == version or name.startswith(f"{version}."))


@cache
def _machines_own() -> MySQLBinaries | None:
    """The mysqld on PATH, unless it is a MariaDB."""
    mysqld = shutil.which("mysqld")
    if mysqld is None:
        return None
    says = subprocess.run(
        [mysqld, "--no-defaults", "--version"], capture_output=True, text=True, check=False
    ).stdout
    match = re.search(r"Ver (\d+\.\d+\.\d+)", says)
    if match is None or "MariaDB" in says:
        return None
    return MySQLBinaries(version=match.group(1), home=Path(mysqld).resolve().parents[1])
