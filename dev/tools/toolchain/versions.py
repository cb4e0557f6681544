"""`dev/tools/versions.toml` as typed values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from toolchain.paths import TOOLS

__all__ = ["GoProgram", "MySQLServer", "Versions", "numbers"]


@dataclass(frozen=True)
class GoProgram:
    """A program that the Go tool chain builds from the module proxy, in a small module of its own."""

    title: str
    version: str
    directory: str
    module: str
    package: str
    reported_version: str
    minimum: str | None = None

    @property
    def name(self) -> str:
        """The executable's name."""
        return self.package.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class MySQLServer:
    """A server inside a jar."""

    version: str
    artifact: str
    sha256: str
    archive: str

    @property
    def jar(self) -> str:
        """The file's name, as Maven gives it."""
        _, name, version = self.artifact.split(":")
        return f"{name}-{version}.jar"


@dataclass(frozen=True)
class Versions:
    """All that is pinned."""

    pulumi: GoProgram
    language_host: GoProgram
    dependency_plugin: str
    mysql: tuple[MySQLServer, ...]

    @classmethod
    def pinned(cls) -> Versions:
        """What `dev/tools/versions.toml` says."""
        data = tomllib.loads((TOOLS / "versions.toml").read_text())
        return cls(
            pulumi=GoProgram(**data["pulumi"]),
            language_host=GoProgram(**data["language-host"]),
            dependency_plugin=data["maven"]["dependency_plugin"],
            mysql=tuple(MySQLServer(**server) for server in data["mysql"]),
        )


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare: "v3.274.1-dev" is (3, 274, 1)."""
    release = version.strip().removeprefix("v").split("-")[0].split("+")[0]
    return tuple(int(part) for part in release.split("."))
