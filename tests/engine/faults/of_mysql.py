"""MySQL refuses, is away, or goes in the middle of a statement; certificates that nobody should trust."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from functools import partial

from dev.sandbox.mysql.sessions import execute
from dev.workload.database import rows
from rds_encrypt.access import RDS_CA_BUNDLE, AccessSettings, endpoint_of
from rds_encrypt.mysql.coordinates import current
from rds_encrypt.mysql.session import Endpoint, Tls, connect
from rds_encrypt.mysql.tables import require_transactional
from tests.certificates import expired, showing
from tests.engine.faults.book import fault
from tests.engine.faults.man_in_the_middle import relaying
from tests.engine.faults.stage import Stage

__all__: list[str] = []


def _secret(stage: Stage, name: str, text: str) -> AccessSettings:
    stage.deployment.client("secretsmanager").create_secret(Name=name, SecretString=text)
    return replace(stage.access, secret_id=name)


def _log_in(stage: Stage, access: AccessSettings) -> None:
    with stage.world(access).session(stage.source_id):
        pass


@fault("The secret is not there", "Keys, secrets and certificates", "`credentials.secretId` names no secret.")
def _no_secret(stage: Stage) -> None:
    _log_in(stage, replace(stage.access, secret_id="orders/nobodys"))


@fault("The secret has another form", "Keys, secrets and certificates", "The secret holds a bare password.")
def _bare_secret(stage: Stage) -> None:
    _log_in(stage, _secret(stage, "orders/bare", "only-a-Password1"))


@fault(
    "The password was rotated",
    "Keys, secrets and certificates",
    "The master password was changed during the migration, and the secret not (yet).",
)
def _rotated(stage: Stage) -> None:
    text = json.dumps({"username": "admin", "password": "yesterdays-Password1"})
    _log_in(stage, _secret(stage, "orders/yesterdays", text))


@fault(
    "The variable is empty", "Keys, secrets and certificates", "`credentials.environment` names no variable."
)
def _no_variable(stage: Stage) -> None:
    _log_in(stage, replace(stage.access, secret_id=None, environment="NOBODYS_PASSWORD"))


@fault("No certificate authority", "Keys, secrets and certificates", "`caFile` is not a file in PEM format.")
def _no_authority(stage: Stage) -> None:
    _log_in(stage, replace(stage.access, ca_file="/nonexistent/ca.pem"))


@fault(
    "A certificate of another authority",
    "Keys, secrets and certificates",
    "The server that answers has a certificate that the trusted authorities have not signed.",
)
def _other_authority(stage: Stage) -> None:
    _log_in(stage, replace(stage.access, ca_file=str(RDS_CA_BUNDLE)))


@fault(
    "A certificate of another host",
    "Keys, secrets and certificates",
    "The server that answers has a good certificate, but for another name.",
)
def _other_host(stage: Stage) -> None:
    with relaying(_endpoint(stage)) as relay:
        _log_in_at(stage, relay)


@fault(
    "A certificate that has expired",
    "Keys, secrets and certificates",
    "The instance's certificate was not rotated in time, or this machine's clock is wrong.",
)
def _expired(stage: Stage) -> None:
    directory = stage.directory(stage.source_id) / "tls"
    with showing(directory, expired(directory), partial(_reload, stage)):
        _log_in(stage, stage.access)


def _reload(stage: Stage) -> None:
    with stage.host(stage.source_id) as host:
        execute(host, "ALTER INSTANCE RELOAD TLS")


@fault(
    "TLS is stripped",
    "Keys, secrets and certificates",
    "A man in the middle says that the server knows no TLS.",
)
def _stripped(stage: Stage) -> None:
    with relaying(_endpoint(stage), strip_tls=True) as relay:
        _log_in_at(stage, relay)


def _endpoint(stage: Stage) -> Endpoint:
    return endpoint_of(stage.instances.get(stage.source_id))


def _log_in_at(stage: Stage, endpoint: Endpoint) -> None:
    seeded = stage.deployment.seeded
    account = seeded.master
    with connect(endpoint, account, Tls(str(seeded.ca_bundle)), patience=0.0):
        pass


@fault("The server cannot be reached", "MySQL", "The server is down, starts, or a firewall is in the way.")
def _unreachable(stage: Stage) -> None:
    _log_in_at(stage, replace(_endpoint(stage), port=1))


@fault(
    "The connection is lost",
    "MySQL",
    "The server restarts, or somebody ends the session, during a statement.",
)
def _lost(stage: Stage) -> None:
    with stage.session(stage.source_id) as session:
        number = session.value("SELECT CONNECTION_ID()")
        killer = threading.Timer(0.5, _kill, (stage, stage.source_id, int(number)))
        killer.start()
        stage.later.callback(killer.join)
        session.value("SELECT SLEEP(20)")


def _kill(stage: Stage, resource_id: str, number: int) -> None:
    with stage.host(resource_id) as host:
        execute(host, f"KILL {number}")


@fault("A lock is held", "MySQL", "A transaction holds what a statement needs, for too long.")
def _locked(stage: Stage) -> None:
    holder = stage.later.enter_context(stage.deployment.connected("orders"))
    holder.begin()
    rows(holder, "SELECT id FROM orders WHERE id = 1 FOR UPDATE")
    with stage.session(stage.source_id) as session:
        session.execute("SET SESSION innodb_lock_wait_timeout = 1")
        session.execute("UPDATE shop.orders SET note = 'x' WHERE id = 1")


@fault("A privilege is missing", "MySQL", "The account of the migration may not do what a step needs.")
def _denied(stage: Stage) -> None:
    seeded = stage.deployment.seeded
    text = json.dumps({"username": seeded.application_user, "password": seeded.application_password})
    with stage.world(_secret(stage, "orders/of-the-application", text)).session(stage.source_id) as session:
        session.call("mysql.rds_set_configuration", "binlog retention hours", 24)


@fault(
    "The instance is read-only", "MySQL", "Something tries to write to an instance that is fenced or held."
)
def _read_only(stage: Stage) -> None:
    with stage.session(stage.encrypted_id) as session:
        session.execute("UPDATE shop.orders SET note = 'x' WHERE id = 1")


@fault("The storage is full", "MySQL", "A table cannot grow any more.")
def _full(stage: Stage) -> None:
    with stage.session(stage.source_id) as session:
        session.execute("SET SESSION max_heap_table_size = 16384")
        session.execute("CREATE TEMPORARY TABLE shop.small (content CHAR(250)) ENGINE=MEMORY")
        session.execute(f"INSERT INTO shop.small VALUES {', '.join(['(REPEAT(1, 250))'] * 500)}")


@fault("Tables that are not InnoDB", "MySQL", "The source has MyISAM tables; preview refuses them.")
def _not_innodb(stage: Stage) -> None:
    with stage.deployment.connected("orders") as source:
        rows(source, "CREATE TABLE ledger (id INT PRIMARY KEY) ENGINE=MyISAM")
    stage.later.callback(_drop_ledger, stage)
    with stage.session(stage.source_id) as session:
        require_transactional(session)


def _drop_ledger(stage: Stage) -> None:
    with stage.deployment.connected("orders") as source:
        rows(source, "DROP TABLE ledger")


@fault("Binary logging is off", "MySQL", "The source's automated backups were switched off.")
def _no_binlog(stage: Stage) -> None:
    # A replica has no backups of its own, and so no binlog.
    with stage.session(stage.replica_id) as session:
        current(session)


@fault("MySQL refuses something else", "MySQL", "MySQL answers with an error that the program does not know.")
def _unknown(stage: Stage) -> None:
    with stage.session(stage.source_id) as session:
        session.execute("SELECT no_such_column FROM shop.orders")
