"""Real MySQL servers, hosted as RDS hosts them.

`MySQLServer` is one server; `find_binaries` finds the program, `CertificateAuthority` vouches for its address, and
`reap_orphans` ends what a killed sandbox left running.
"""

from __future__ import annotations

from dev.sandbox.mysql.binaries import MySQLBinaries, find_binaries
from dev.sandbox.mysql.certificates import CertificateAuthority
from dev.sandbox.mysql.errors import MySQLNotInstalled, MySQLServerError, ServerDidNotStart
from dev.sandbox.mysql.processes import reap_orphans
from dev.sandbox.mysql.server import Coordinates, MySQLServer
from dev.sandbox.mysql.template import template

__all__ = [
    "CertificateAuthority",
    "Coordinates",
    "MySQLBinaries",
    "MySQLNotInstalled",
    "MySQLServer",
    "MySQLServerError",
    "ServerDidNotStart",
    "find_binaries",
    "reap_orphans",
    "template",
]
