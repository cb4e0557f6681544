"""A MySQL server that Debian builds, with Debian's libraries beside it: it runs on any Linux, with any C library.

apt works in a root of its own: the system's sources, lists, cache and packages stay as they are. Packages are unpacked, never installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from toolchain import command
from toolchain.paths import CACHE
from toolchain.problems import Missing, SetupProblem
from toolchain.versions import DebianServer, Package

__all__ = ["fetch", "fingerprint", "needs"]

_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR = "http://deb.debian.org/debian/"
_OFFLINE = "Debian's mirror can't be reached: check the network (and the proxies in /etc/apt), then run `make setup` again."
# Where the system's own configuration would be read, and what must not be shared with it.
_CONFIGURATION = """\
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
APT::Architecture "amd64";
APT::Sandbox::User "root";
"""
_LAUNCHER = """\
#!/bin/sh
# Runs the server with the loader and the libraries that lie beside it.
home=$(dirname "$(dirname "$(readlink -f "$0")")")
libraries="$home/usr/lib/x86_64-linux-gnu"
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$home/usr/sbin/mysqld" "$@" \\
    --lc-messages-dir="$home/usr/share/mysql" --character-sets-dir="$home/usr/share/mysql/charsets" --plugin-dir="$home/usr/lib/mysql/plugin"
"""
# A line of `apt-get download --print-uris`. We take nothing from a mirror without SHA-256.
_OFFERED = re.compile(r"'\S+' ([^_ ]+)_([^_ ]+)_\S+\.deb \d+ SHA256:([0-9a-f]{64})")


def needs(server: DebianServer) -> None:
    """Raise `Missing` where there is no apt, or it cannot check what Debian signs."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise Missing(
            f"MySQL {server.version} cannot be had on this system: it comes from Debian's {server.suite}, through apt-get and dpkg, which "
            "are not installed. Use another engine, or a Debian or Ubuntu container."
        )
    if not _KEYS.exists():
        raise Missing(
            f"Debian's keys are needed to fetch MySQL {server.version}: `apt-get install debian-archive-keyring`."
        )


def fingerprint(server: DebianServer) -> str:
    """One value for all that is pinned."""
    return hashlib.sha256("".join(package.sha256 for package in server.packages).encode()).hexdigest()


def fetch(server: DebianServer, target: Path) -> str:
    """Unpack the server and its libraries into the target, and say whether they are those that are pinned."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="apt-") as scratch:
        root = Path(scratch)
        configuration = _configure(root, server.suite)
        _apt(server, configuration, root, "update")
        names = [package.name for package in server.packages]
        offered = _offered(server, configuration, root, names)
        _apt(server, configuration, root, "download", *names)
        for file in root.glob("*.deb"):
            _verify(file, offered)
            command.run(
                f"mysql-{server.version}-unpack",
                ["dpkg", "-x", file, target],
                doing=f"Unpacking {file.name}",
                offline="The package could not be unpacked: see the output of dpkg.",
            )
    shutil.rmtree(target / "usr" / "bin")  # tools, larger than the server
    launcher = target / "bin" / "mysqld"
    launcher.parent.mkdir()
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)
    taken = "".join(f'"{package.name}" = ["{package.version}", "{package.sha256}"]\n' for package in offered)
    (target / "packages.toml").write_text(taken)
    moved = [package for package in offered if package not in server.packages]
    if not moved:
        return "fetched and checked"
    return (
        f"fetched; {server.suite} has moved on, so not all is as pinned: "
        + ", ".join(f"{package.name} {package.version}" for package in moved)
        + " (for dev/tools/versions.toml: packages.toml beside the server)"
    )


def _configure(root: Path, suite: str) -> Path:
    """A configuration of our own that keeps the system's ways to a mirror: proxies, time-outs, what it tolerates."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True)
    (root / "status").touch()
    (root / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_mirror()} {suite} main\n")
    acquire = command.ask(["apt-config", "dump", "Acquire"]) or ""
    kept = [line for line in acquire.splitlines() if not line.startswith("Acquire::IndexTargets")]
    file = root / "apt.conf"
    file.touch(mode=0o600)  # a proxy's password may be in it
    file.write_text("\n".join(kept) + "\n" + _CONFIGURATION.format(root=root))
    return file


def _mirror() -> str:
    """The mirror of Debian that this system uses, if it uses one."""
    used = command.ask(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]) or ""
    return next((line for line in used.splitlines() if re.search(r"/debian/?$", line)), _MIRROR)


def _apt(server: DebianServer, configuration: Path, root: Path, *words: str) -> None:
    command.run(
        f"mysql-{server.version}-{words[0]}",
        ["apt-get", "-q", *words],
        doing=f"Fetching MySQL {server.version} from Debian {server.suite}",
        offline=_OFFLINE,
        cwd=root,
        environment={"APT_CONFIG": str(configuration)},
    )


def _offered(server: DebianServer, configuration: Path, root: Path, names: Sequence[str]) -> list[Package]:
    """The packages as the mirror's signed lists describe them."""
    listing = subprocess.run(
        ["apt-get", "download", "--print-uris", *names],
        cwd=root,
        env={**os.environ, "APT_CONFIG": str(configuration)},
        capture_output=True,
        text=True,
        check=False,
    )
    offered = [
        Package(name, version.replace("%3a", ":"), sha256)
        for name, version, sha256 in _OFFERED.findall(listing.stdout)
    ]
    lacking = set(names) - {package.name for package in offered}
    if lacking:
        raise SetupProblem(
            f"Debian {server.suite} no longer has {', '.join(sorted(lacking))}: MySQL {server.version} needs other libraries now. Renew "
            "[debian-mysql.packages] in dev/tools/versions.toml."
        )
    return sorted(offered, key=lambda package: names.index(package.name))


def _verify(file: Path, offered: Sequence[Package]) -> None:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest not in {package.sha256 for package in offered}:
        raise SetupProblem(
            f"{file.name} has the SHA-256 {digest}, not the one that Debian signed: do not trust where it comes from."
        )
