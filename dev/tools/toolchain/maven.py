"""MySQL servers inside jars that Maven Central serves."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

from toolchain import command
from toolchain.problems import Missing, SetupProblem
from toolchain.versions import JarServer

__all__ = ["fetch", "needs"]

_OFFLINE = (
    "Maven Central can't be reached: check the network (and the proxies or mirrors in ~/.m2/settings.xml), then run "
    "`make setup` again; what was fetched is kept."
)


def needs() -> None:
    """Raise `Missing` where Maven cannot run."""
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


def fetch(server: JarServer, plugin: str, target: Path) -> None:
    """Unpack the server into the target."""
    jar = target / server.jar
    command.run(
        f"mysql-{server.version}",
        [
            "mvn",
            "--batch-mode",
            f"org.apache.maven.plugins:maven-dependency-plugin:{plugin}:copy",
            f"-Dartifact={server.artifact}",
            f"-DoutputDirectory={target}",
        ],
        doing=f"Fetching MySQL {server.version}",
        offline=_OFFLINE,
        cwd=target,  # a pom.xml elsewhere has no say
    )
    _verify(jar, server)
    _unpack(jar, server, target)


def _unpack(jar: Path, server: JarServer, target: Path) -> None:
    """The archive out of the jar, then the server out of the archive.

    By `tar`: Debian 12's Python has no extraction filters yet, and without them tarfile keeps the owners of the archive's makers.
    """
    with zipfile.ZipFile(jar) as inside:
        archive = Path(inside.extract(server.archive, target))
    command.run(
        f"mysql-{server.version}-unpack",
        ["tar", "--extract", "--gzip", "--no-same-owner", "--file", archive, "--directory", target],
        doing=f"Unpacking MySQL {server.version}",
        offline="The archive could not be unpacked: see the output of tar.",
    )
    archive.unlink()
    jar.unlink()


def _verify(jar: Path, server: JarServer) -> None:
    with jar.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != server.sha256:
        jar.unlink()
        raise SetupProblem(
            f"{server.jar} has the SHA-256 {digest}, not the one in dev/tools/versions.toml: delete it from ~/.m2/repository and run "
            f"`make setup` again, and if that does not help, do not trust where it comes from."
        )
