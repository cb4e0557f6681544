"""The sandbox's MySQL servers: the user's own where it is exactly the version, else fetched into `.cache/mysql/<version>`."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from toolchain import command, debian, maven, stamps
from toolchain.paths import CACHE, MYSQL, TOOLS, on_path
from toolchain.problems import Missing, SetupProblem
from toolchain.steps import Step
from toolchain.versions import DebianServer, JarServer, Versions

__all__ = ["servers_sequences"]

_Server = JarServer | DebianServer

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
LD_LIBRARY_PATH="$home/lib/private:$home/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$home/libexec/mysqld" "$@"
"""


def servers_sequences(versions: Versions, requested: Iterable[str], *, own_only: bool) -> list[list[Step]]:
    """One step per server, those from Maven one after the other: they share its local repository."""
    servers = dict.fromkeys(server for name in requested for server in _named(versions, name))
    sequences: dict[type, list[Step]] = {}
    for server in servers:
        step = _step(server, versions.dependency_plugin, own_only=own_only)
        sequences.setdefault(type(server), []).append(step)
    return list(sequences.values())


def _named(versions: Versions, name: str) -> list[_Server]:
    servers = versions.servers(name)
    if not servers:
        known = ", ".join(server.version for server in versions.mysql)
        raise SetupProblem(f"There is no MySQL {name} in dev/tools/versions.toml: it has {known}.")
    return servers


def _step(server: _Server, plugin: str, *, own_only: bool) -> Step:
    from_maven = isinstance(server, JarServer)
    return Step(
        title=f"MySQL {server.version}",
        doing="fetching with Maven, some 10 s" if from_maven else "fetching from Debian sid, some 30 s",
        present=lambda: _present(server),
        make=lambda: (None if own_only else _use_users(server)) or _fetch(server, plugin),
        requires=lambda: _needs(server, own_only=own_only),
    )


def _stamp(server: _Server) -> str:
    return f"mysql-{server.version}"


def _pin(server: _Server) -> str:
    return server.sha256 if isinstance(server, JarServer) else debian.fingerprint(server)


def _present(server: _Server) -> str | None:
    stamp = stamps.read(_stamp(server))
    if stamp is None:
        return None
    pin, _, version = stamp.partition(" ")
    if pin == _pin(server) and (MYSQL / (version or server.version) / "bin" / "mysqld").exists():
        return "already there" if version in ("", server.version) else f"{version} is there in its place"
    if stamp == str(_users(server)):
        return f"using your {stamp}"
    return None


def _users(server: _Server) -> Path | None:
    """The mysqld on PATH, if it is Oracle's and exactly this version: then it answers as RDS's engine of it does."""
    mine = on_path("mysqld")
    output = command.ask([mine, "--no-defaults", "--version"]) if mine else None
    match = re.search(r"Ver (\d+\.\d+\.\d+)(?![-.\d])", output or "")
    if (
        match is None
        or match[1] != server.version
        or re.search("mariadb|percona", output or "", re.IGNORECASE)
    ):
        return None
    return mine


def _use_users(server: _Server) -> str | None:
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


def _needs(server: _Server, *, own_only: bool) -> None:
    if not own_only and _users(server) is not None:
        return
    machine = (platform.system(), platform.machine())
    if machine not in {("Linux", "x86_64"), ("Linux", "AMD64")}:
        raise Missing(
            f"MySQL {server.version} can be fetched for Linux on x86-64 only and this is {machine[0]} on {machine[1]}: "
            f"run the sandbox in a Linux container or virtual machine."
        )
    if isinstance(server, JarServer):
        maven.needs()
    else:
        debian.needs(server)


def _fetch(server: _Server, plugin: str) -> str:
    MYSQL.mkdir(parents=True, exist_ok=True)
    part = MYSQL / f"{server.version}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    if isinstance(server, JarServer):
        maven.fetch(server, plugin, part)
        version, result = server.version, "fetched and checked"
    else:
        result = debian.fetch(server, part)
        version = _version_in(part, server)
    _make_runnable(part, server)
    home = MYSQL / version
    shutil.rmtree(home, ignore_errors=True)
    part.rename(home)
    stamps.write(_stamp(server), _pin(server) if version == server.version else f"{_pin(server)} {version}")
    return result


def _version_in(home: Path, server: DebianServer) -> str:
    """What sid has now: another release of the series is as good."""
    output = command.ask([home / "bin" / "mysqld", "--no-defaults", "--version"])
    match = re.search(r"Ver ((\d+\.\d+)\.\d+)", output or "")
    if match is not None and not server.version.startswith(f"{match[2]}."):
        raise SetupProblem(
            f"Debian {server.suite} has moved on to MySQL {match[1]}, and {server.version} is not to be had any more: choose its successor "
            "in dev/tools/versions.toml."
        )
    return match[1] if match else server.version


def _make_runnable(home: Path, server: _Server) -> None:
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
