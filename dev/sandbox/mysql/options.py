"""The option file of a hosted server: RDS's defaults, small buffers, then what the caller wants, then what must be."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.sandbox.mysql.binaries import MySQLBinaries
from dev.sandbox.mysql.certificates import ServerCertificate

__all__ = ["BINLOG_BASE", "Listening", "canonical", "defaults", "option_file"]

BINLOG_BASE = "mysql-bin-changelog"

# What replication never applies, on any server (SHOW SLAVE STATUS of an RDS, 2020-11); the heartbeat's table is not in it.
_IGNORED_TABLES = (
    "mysql.plugin",
    "mysql.rds_configuration",
    "mysql.rds_history",
    "mysql.rds_monitor",
    "mysql.rds_replication_status",
    "mysql.rds_sysinfo",
)
# RDS's names that mysqld calls otherwise when it starts.
_AT_START = {"time_zone": "default_time_zone", "tx_isolation": "transaction_isolation"}

_AS_RDS = {
    "autocommit": "1",
    "binlog_cache_size": "32768",
    "binlog_format": "MIXED",
    "default_time_zone": "UTC",
    "explicit_defaults_for_timestamp": "1",
    "gtid_mode": "OFF_PERMISSIVE",
    "innodb_flush_log_at_trx_commit": "1",
    "local_infile": "1",
    "log_output": "TABLE",
    "max_binlog_size": "134217728",
    "read_only": "0",
    "relay_log_recovery": "1",
    "slow_query_log": "0",
    "sql_mode": "NO_ENGINE_SUBSTITUTION",
    "sync_binlog": "1",
}
_SMALL = {
    "innodb_buffer_pool_size": "32M",
    # Idle threads cost a third of the CPU time of a short life.
    "innodb_purge_threads": "1",
    "innodb_read_io_threads": "1",
    "innodb_write_io_threads": "1",
    "max_connections": "150",
    "performance_schema": "OFF",
}
# All global variables of a running RDS 8.0.41 (2025-06). `slave_exec_mode` is what that one instance had.
_SINCE_8 = {
    "event_scheduler": "ON",
    "slave_exec_mode": "IDEMPOTENT",
    "slave_parallel_workers": "4",
    "slave_preserve_commit_order": "ON",
}
_OF_SERIES = {
    # MySQL's own defaults for replication.
    "5.7": {
        "event_scheduler": "OFF",
        "innodb_log_file_size": "16M",
        "master_info_repository": "TABLE",
        "relay_log_info_repository": "TABLE",
    },
    "8.0": {
        **_SINCE_8,
        "default_authentication_plugin": "mysql_native_password",
        "innodb_redo_log_capacity": "32M",
        "slave_parallel_type": "LOGICAL_CLOCK",
        "terminology_use_previous": "BEFORE_8_0_26",
    },
    # Guessed to be as on 8.0.
    "9.7": {**_SINCE_8, "innodb_redo_log_capacity": "32M"},
}
_NEWER_THAN_ITS_SERIES = {
    "innodb_redo_log_capacity": (8, 0, 30),
    "slave_preserve_commit_order": (8, 0, 19),  # before, not without a binary log
    "terminology_use_previous": (8, 0, 26),
}
_MUST_BE = {
    # Snapshots freeze all threads and copy the files: no write may be under way in the kernel for them.
    "innodb_use_native_aio": "0",
    "relay_log": "relaylog",
    "relay_log_index": "relaylog.index",
    # OFF on RDS. Here it would make a client's "host" whatever the machine's resolver says of 127.x.y.z, if it answers.
    "skip_name_resolve": "1",
    # Relative to the data directory, mysqld's working directory: a full path may exceed what a socket may be called.
    # The host's agent starts replication, not mysqld.
    "skip_slave_start": "1",
    "socket": "../mysqld.sock",
}
_MUST_BE_OF_SERIES = {
    "5.7": {},
    "8.0": {"mysqlx": "OFF"},
    "9.7": {"mysqlx": "OFF"},
}


@dataclass(frozen=True)
class Listening:
    """Where a server listens, and what it is called in replication. No address: only its unix socket."""

    server_id: int
    address: str | None
    port: int
    certificate: ServerCertificate | None


def canonical(name: str) -> str:
    """A parameter's name in one spelling ("gtid-mode", "GTID_MODE" are one, and so are `replica_…` and `slave_…`)."""
    return re.sub(r"(^|_)replica(?=_)", r"\1slave", name.lower().replace("-", "_"))


def defaults(binaries: MySQLBinaries) -> dict[str, str]:
    """The values that hold where the caller says nothing."""
    options = {**_AS_RDS, **_SMALL, **_OF_SERIES[binaries.series]}
    for name, since in _NEWER_THAN_ITS_SERIES.items():
        if binaries.release < since:
            options.pop(name, None)
    return options


def option_file(
    file: Path,
    *,
    binaries: MySQLBinaries,
    listening: Listening,
    parameters: Mapping[str, str],
    binlog: bool,
    flushed: bool = False,
    init_file: Path | None = None,
) -> None:
    """Write the option file of a server whose data directory is `data` beside it.

    Unless `flushed`, InnoDB leaves it to the system when files reach the disk: half the time of a statement that writes. A server
    that is killed loses nothing by that, only a machine that stops does.
    """
    options = defaults(binaries)
    if not flushed:
        options["innodb_flush_method"] = "nosync"
    for name, value in parameters.items():
        option = canonical(name)
        option = _AT_START.get(option, option)
        if option == "tls_version" and not binaries.speaks_modern_tls:
            continue  # the gateway's affair
        # `loose_`: RDS's groups hold parameters that are no start options (character_set_client, …).
        options[option if option in options else f"loose_{option}"] = value
    forced = _forced(file.parent, binaries, listening, binlog=binlog)
    if init_file is not None:
        forced["init_file"] = str(init_file)
    for name in forced:
        options.pop(f"loose_{name}", None)
    options.update(forced)
    lines = ["[mysqld]", *(f'{name} = "{_quoted(name, value)}"' for name, value in options.items())]
    lines += [f"replicate_ignore_table = {table}" for table in _IGNORED_TABLES]
    if not binlog:
        lines.append("skip_log_bin")
    if listening.address is None:
        lines.append("skip_networking")
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)


def _forced(
    directory: Path, binaries: MySQLBinaries, listening: Listening, *, binlog: bool
) -> dict[str, str]:
    forced = {
        **_MUST_BE,
        **_MUST_BE_OF_SERIES[binaries.series],
        "basedir": str(binaries.home),
        "datadir": str(directory / "data"),
        "log_error": str(directory / "mysqld.log"),
        "pid_file": str(directory / "mysqld.pid"),
        "secure_file_priv": tempfile.gettempdir(),
        "server_id": str(listening.server_id),
        "tmpdir": tempfile.gettempdir(),
        "port": str(listening.port),
    }
    if binlog:
        forced |= {"log_bin": BINLOG_BASE, "log_slave_updates": "1"}
    if listening.address is not None:
        forced["bind_address"] = listening.address
    if listening.certificate is not None:
        forced |= {
            "ssl_ca": str(listening.certificate.authority),
            "ssl_cert": str(listening.certificate.certificate),
            "ssl_key": str(listening.certificate.key),
        }
    if os.geteuid() == 0:
        forced["user"] = "root"
    return forced


def _quoted(name: str, value: str) -> str:
    if "\n" in value:
        raise ValueError(
            f"The value of parameter {name} has more than one line: MySQL's option files cannot hold it."
        )
    return value.replace("\\", "\\\\")
