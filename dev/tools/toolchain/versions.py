"""`dev/tools/versions.toml` as typed values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from toolchain.paths import TOOLS

__all__ = ["DebianServer", "GoProgram", "JarServer", "Package", "Versions", "numbers"]


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
class JarServer:
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
class Package:
    """A Debian package."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class DebianServer:
    """A server that Debian builds, with the libraries that it needs."""

    version: str
    suite: str
    packages: tuple[Package, ...]


@dataclass(frozen=True)
class Versions:
    """All that is pinned."""

    pulumi: GoProgram
    language_host: GoProgram
    dependency_plugin: str
    mysql: tuple[JarServer | DebianServer, ...]

    @classmethod
    def pinned(cls) -> Versions:
        """What `dev/tools/versions.toml` says."""
        data = tomllib.loads((TOOLS / "versions.toml").read_text())
        debian = data["debian-mysql"]
        packages = tuple(Package(name, *pin) for name, pin in debian.pop("packages").items())
        return cls(
            pulumi=GoProgram(**data["pulumi"]),
            language_host=GoProgram(**data["language-host"]),
            dependency_plugin=data["maven"]["dependency_plugin"],
            mysql=(
                *(JarServer(**server) for server in data["mysql"]),
                DebianServer(**debian, packages=packages),
            ),
        )

    def servers(self, requested: str) -> list[JarServer | DebianServer]:
        """All servers for "all", the newest of a series for "8.0", one for "8.0.15"; none if there is no such server."""
        if requested == "all":
            return list(self.mysql)
        fitting = [server for server in self.mysql if f"{server.version}.".startswith(f"{requested}.")]
        return sorted(fitting, key=lambda server: numbers(server.version))[-1:]


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare: "v3.274.1-dev" is (3, 274, 1)."""
    release = version.strip().removeprefix("v").split("-")[0].split("+")[0]
    return tuple(int(part) for part in release.split("."))
