"""The sandbox's MySQL servers: the user's own where it is exactly the version, else unpacked from a jar."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from toolchain import command, stamps
from toolchain.paths import CACHE, MYSQL, TOOLS, on_path
from toolchain.problems import Missing, SetupProblem
from toolchain.steps import Step
from toolchain.versions import MySQLServer, Versions

__all__ = ["servers_sequence"]

_OFFLINE = (
    "Maven Central can't be reached: check the network (and the proxies or mirrors in ~/.m2/settings.xml), then run "
    "`make setup` again; what was fetched is kept."
)
_PACKAGES = {
    "libaio.so.1": "a C compiler to build a stand-in for it (`apt-get install gcc`), or libaio itself (`apt-get install libaio1`)",
    "libnuma.so.1": "`apt-get install libnuma1` (`dnf install numactl-libs`)",
    "libcrypt.so.1": "`apt-get install libcrypt1` (`dnf install libxcrypt-compat`)",
    "libstdc++.so.6": "`apt-get install libstdc++6` (`dnf install libstdc++`)",
}
_LAUNCHER = """\
#!/bin/sh
# Runs the server with the libraries that lie beside it.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
LD_LIBRARY_PATH="$home/lib/private${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$home/libexec/mysqld" "$@"
"""


def servers_sequence(versions: Versions, *, own_only: bool) -> list[Step]:
    """One step a server."""
    return [_step(server, versions.dependency_plugin, own_only=own_only) for server in versions.mysql]


def _step(server: MySQLServer, plugin: str, *, own_only: bool) -> Step:
    return Step(
        title=f"MySQL {server.version}",
        doing="fetching with Maven, some 10 s",
        present=lambda: _present(server),
        make=lambda: (None if own_only else _use_users(server)) or _fetch(server, plugin),
        requires=lambda: _needs(server, own_only=own_only),
    )


def _stamp(server: MySQLServer) -> str:
    return f"mysql-{server.version}"


def _present(server: MySQLServer) -> str | None:
    stamp = stamps.read(_stamp(server))
    if stamp == server.sha256 and (MYSQL / server.version / "bin" / "mysqld").exists():
        return "already there"
    if stamp is not None and stamp == str(_users(server)):
        return f"using your {stamp}"
    return None


def _users(server: MySQLServer) -> Path | None:
    """The mysqld on PATH, if it is Oracle's and exactly this version: then it answers as RDS's engine of it does."""
    mine = on_path("mysqld")
    said = command.ask([mine, "--no-defaults", "--version"]) if mine else None
    found = re.search(r"Ver (\d+\.\d+\.\d+)(?![-.\d])", said or "")
    if found is None or found[1] != server.version or re.search("mariadb|percona", said or "", re.IGNORECASE):
        return None
    return mine


def _use_users(server: MySQLServer) -> str | None:
    """The sandbox finds it on PATH by itself; here we make sure that it can work in `.cache/`.

    A distribution's mysqld is often confined (AppArmor, SELinux) to its own data directory.
    """
    mine = _users(server)
    if mine is None:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        words: list[str | Path] = [
            mine,
            "--no-defaults",
            "--initialize-insecure",
            f"--datadir={scratch}/data",
            *_as_root(),
        ]
        if command.ask(words) is None:
            return None
    stamps.write(_stamp(server), str(mine))
    return f"using your {mine}"


def _as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def _needs(server: MySQLServer, *, own_only: bool) -> None:
    if not own_only and _users(server) is not None:
        return
    machine = (platform.system(), platform.machine())
    if machine not in {("Linux", "x86_64"), ("Linux", "AMD64")}:
        raise Missing(
            f"MySQL {server.version} can be fetched for Linux on x86-64 only and this is {machine[0]} on {machine[1]}: "
            f"run the sandbox in a Linux container or virtual machine."
        )
    if shutil.which("mvn") is None:
        raise Missing(
            "Maven is needed to fetch the MySQL servers and is not installed: `apt-get install maven` or `brew install maven` "
            "(either brings a JDK along)."
        )
    if command.ask(["mvn", "--version"]) is None:
        raise Missing(
            "Maven does not start, most often for want of a JDK: `apt-get install default-jdk-headless` or "
            "`brew install openjdk`, then see that `mvn --version` answers."
        )


def _fetch(server: MySQLServer, plugin: str) -> str:
    MYSQL.mkdir(parents=True, exist_ok=True)
    home = MYSQL / server.version
    part = MYSQL / f"{server.version}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    jar = part / server.jar
    command.run(
        _stamp(server),
        [
            "mvn",
            "--batch-mode",
            f"org.apache.maven.plugins:maven-dependency-plugin:{plugin}:copy",
            f"-Dartifact={server.artifact}",
            f"-DoutputDirectory={part}",
        ],
        doing=f"Fetching MySQL {server.version}",
        offline=_OFFLINE,
        cwd=part,  # a pom.xml elsewhere has no say
    )
    _verify(jar, server)
    _unpack(jar, server, part)
    _make_runnable(part, server)
    shutil.rmtree(home, ignore_errors=True)
    part.rename(home)
    stamps.write(_stamp(server), server.sha256)
    return "fetched and checked"


def _unpack(jar: Path, server: MySQLServer, target: Path) -> None:
    """The archive out of the jar, then the server out of the archive.

    By `tar`: Debian 12's Python has no extraction filters yet, without which tarfile keeps its makers' owners.
    """
    with zipfile.ZipFile(jar) as inside:
        archive = Path(inside.extract(server.archive, target))
    command.run(
        f"{_stamp(server)}-unpack",
        ["tar", "--extract", "--gzip", "--no-same-owner", "--file", archive, "--directory", target],
        doing=f"Unpacking MySQL {server.version}",
        offline="The archive could not be unpacked: see the output of tar.",
    )
    archive.unlink()
    jar.unlink()


def _verify(jar: Path, server: MySQLServer) -> None:
    with jar.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != server.sha256:
        jar.unlink()
        raise SetupProblem(
            f"{server.jar} has the SHA-256 {found}, not the one in dev/tools/versions.toml: delete it from ~/.m2/repository and run "
            f"`make setup` again, and if that does not help, do not trust where it comes from."
        )


def _make_runnable(home: Path, server: MySQLServer) -> None:
    """See that the server starts, giving it libaio where the machine has none."""
    lacking = _lacks(home)
    if lacking == "libaio.so.1" and shutil.which("cc"):
        _compile_libaio(home)
        lacking = _lacks(home)
        if lacking == "libaio.so.1":  # a build that does not look into its own lib/private
            _install_launcher(home)
            lacking = _lacks(home)
    if lacking is not None:
        get = _PACKAGES.get(lacking, f"the package of your system that has {lacking}")
        raise Missing(
            f"MySQL {server.version} needs the library {lacking}, which is not installed: get {get}."
        )


def _lacks(home: Path) -> str | None:
    """The first shared library that the loader misses, or None where the server runs."""
    tried = subprocess.run(
        [home / "bin" / "mysqld", "--no-defaults", "--version"], capture_output=True, text=True, check=False
    )
    if tried.returncode == 0:
        return None
    missing = re.search(r"loading shared libraries: (\S+):", tried.stderr)
    if missing is None:
        raise SetupProblem(
            f"The MySQL server that was fetched does not run on this machine: {tried.stderr.strip()}"
        )
    return missing[1]


def _compile_libaio(home: Path) -> None:
    source = TOOLS / "libaio"
    target = home / "lib" / "private" / "libaio.so.1"
    target.parent.mkdir(parents=True, exist_ok=True)
    command.run(
        "libaio",
        [
            *("cc", "-O2", "-shared", "-fPIC", "-Wl,-soname,libaio.so.1"),
            *(f"-Wl,--version-script={source / 'libaio.map'}", "-o", target, source / "libaio.c"),
        ],
        doing="Compiling the stand-in for libaio",
        offline="The C compiler asked for the network, which it should not: see its output.",
    )


def _install_launcher(home: Path) -> None:
    real = home / "libexec" / "mysqld"
    real.parent.mkdir()
    (home / "bin" / "mysqld").rename(real)
    launcher = home / "bin" / "mysqld"
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)
