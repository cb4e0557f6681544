"""An initialised data directory for each version, made once and copied for every new instance."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.sandbox.mysql import accounts, options, procedures, time_zones
from dev.sandbox.mysql.accounts import HostSecrets, admin_account
from dev.sandbox.mysql.binaries import CACHE, MySQLBinaries
from dev.sandbox.mysql.copies import copy_tree
from dev.sandbox.mysql.errors import MySQLServerError, tail
from dev.sandbox.mysql.options import Listening, option_file
from dev.sandbox.mysql.procedures import install_procedures
from dev.sandbox.mysql.processes import reap_orphans, spawn, terminate
from dev.sandbox.mysql.readiness import await_ready
from dev.sandbox.mysql.sessions import admin_session, execute
from dev.sandbox.mysql.time_zones import load_time_zones

__all__ = ["template"]

_CACHE = CACHE.with_name("mysql-templates")


def template(binaries: MySQLBinaries, *, lower_case_table_names: int = 0) -> Path:
    """The data directory to copy; made now if there is none, or if what goes into it has changed.

    8.0 fixes `lower_case_table_names` when a data directory is initialised: there is a template for each.
    """
    _CACHE.mkdir(parents=True, exist_ok=True)
    kind = f"{binaries.version}-lower{lower_case_table_names}"
    directory = _CACHE / f"{kind}-{_fingerprint(binaries)}"
    with _locked(_CACHE / f"{binaries.version}.lock"):
        if not directory.exists():
            for outdated in _CACHE.glob(f"{kind}-*"):
                shutil.rmtree(outdated)
            with _empty(_CACHE / f".{binaries.version}.making") as work:
                _initialise(work, binaries, lower_case_table_names)
                copy_tree(work / "data", directory)
    return directory


def _initialise(directory: Path, binaries: MySQLBinaries, lower_case_table_names: int) -> None:
    host = HostSecrets.new()
    log = directory / "mysqld.log"
    file = directory / "my.cnf"
    listening = Listening(server_id=1, address=None, port=3306, certificate=None)
    parameters = {"default_time_zone": "SYSTEM", "lower_case_table_names": str(lower_case_table_names)}
    option_file(file, binaries=binaries, listening=listening, parameters=parameters, binlog=False)
    command = [str(binaries.mysqld), f"--defaults-file={file}"]
    made = subprocess.run([*command, "--initialize-insecure"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise MySQLServerError(
            f"MySQL {binaries.version} could not initialise a data directory:\n{made.stderr}{tail(log)}"
        )
    process = spawn(command, log=log)
    try:
        await_ready(process, lambda: _without_root(directory, binaries, host), log)
        with admin_session(directory, host.admin) as session:
            install_procedures(session, binaries)
            load_time_zones(session)
    finally:
        terminate(process, deadline=30.0)
    host.write(directory / "data")


def _without_root(directory: Path, binaries: MySQLBinaries, host: HostSecrets) -> None:
    """The last thing that root does is to make rdsadmin."""
    with admin_session(directory, "", user="root") as session:
        for statement in admin_account(binaries, host.admin):
            execute(session, statement)


def _fingerprint(binaries: MySQLBinaries) -> str:
    """Of all that goes into a template."""
    content = "\n".join(procedures.statements(binaries))
    for module in (accounts, options, time_zones):
        content += Path(str(module.__file__)).read_text()
    return hashlib.sha256(content.encode()).hexdigest()[:12]


@contextmanager
def _empty(directory: Path) -> Iterator[Path]:
    """A directory for the time of the making; one that was killed in it may have left files, and a server."""
    reap_orphans(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Two sandboxes may start at once."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
