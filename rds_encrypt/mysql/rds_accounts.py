"""The users that RDS and MySQL's own threads appear as: rds-encrypt never locks, kills, waits for or compares them.

Sources: "Master user account privileges" and "RDS Proxy" in the Amazon RDS User Guide, and dumps of mysql.user of RDS 5.7 and 8.0 instances.
"""

from __future__ import annotations

__all__ = ["RDS_THREADS", "RDS_USERS"]

RDS_USERS = (
    "rdsadmin",
    "rdsrepladmin",
    # MySQL checks the applier's privileges against it.
    "rdsrepladmin_priv_checks_user",
    # Group replication, of active-active and Multi-AZ clusters.
    "rdsgrprepladmin",
    # Sessions of an RDS proxy. They never end; an application behind the proxy has sessions under its own name.
    "rdsproxyadmin",
    "rdstopmgr",
    "rdswriteforwarduser",
    "rds_superuser_role",
    "mysql.sys",
    "mysql.session",
    "mysql.infoschema",
)
"""RDS's accounts, and those that MySQL keeps for itself."""

RDS_THREADS = (
    *RDS_USERS,
    # Receiver and appliers; `mysql.rds_kill` would end them.
    "system user",
    "event_scheduler",
    # A connection that has not logged in yet. It appears under its own name once it has.
    "unauthenticated user",
)
"""Users in a process list that are not applications."""
