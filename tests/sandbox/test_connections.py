"""Sessions with a real server, straight and through a bastion: what must not be trusted, and what is lost on the way.

A certificate that nobody should trust is refused in one sentence, before a password is sent. The deployment does not matter: over a
bastion, the name that counts is still the instance's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from dev.sandbox.mysql import CertificateAuthority, MySQLServer
from dev.sandbox.mysql.sessions import execute, query
from rds_encrypt.core.errors import ActionRequired, OutcomeUnknown
from rds_encrypt.mysql.bastion import BastionTunnels
from rds_encrypt.mysql.session import Credentials, Endpoint, Tls, connect
from rds_encrypt.mysql.tunnel import OpenTunnel
from tests.bastion import Keys, Running, asyncssh_server, free_port, left_of
from tests.certificates import FILES, expired, showing
from tests.sandbox.mysql_support import MASTER, PASSWORD, Farm
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySQLServer]:
    with Farm.open(tmp_path_factory.mktemp("certificates"), "8.0") as farm:
        yield farm.new()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    keys = Keys.made(tmp_path_factory.mktemp("keys") / "keys")
    with asyncssh_server(keys, free_port()) as bastion:
        yield bastion


@pytest.fixture(params=["direct", "bastion"])
def open_tunnel(request: pytest.FixtureRequest, running: Running) -> Iterator[OpenTunnel | None]:
    if request.param == "direct":
        yield None
        return
    with closing(BastionTunnels(running.bastion)) as lines:
        yield lines.open_tunnel


def authority(server: MySQLServer) -> Path:
    return server.directory.parent / "ca.pem"


def log_in(server: MySQLServer, open_tunnel: OpenTunnel | None) -> None:
    endpoint = Endpoint(server.address, server.port)
    with connect(
        endpoint,
        Credentials(MASTER, PASSWORD),
        Tls(str(authority(server))),
        open_tunnel=open_tunnel,
        patience=0.0,
    ) as session:
        assert session.value("SELECT 1") == 1


Files = dict[str, bytes]


def files_in(directory: Path) -> Files:
    return {name: (directory / name).read_bytes() for name in FILES}


def of_another_authority(server: MySQLServer, place: Path) -> Files:
    """It has the right name, and an authority with the name of the right one."""
    CertificateAuthority(place / "other").issue(server.address, place)
    return files_in(place)


def of_another_host(server: MySQLServer, place: Path) -> Files:
    CertificateAuthority(server.directory.parent).issue("127.250.250.250", place)
    return files_in(place)


def of_last_year(server: MySQLServer, place: Path) -> Files:
    return expired(server.directory / "tls")


def reload(server: MySQLServer) -> None:
    with server.admin() as session:
        execute(session, "ALTER INSTANCE RELOAD TLS")


@pytest.mark.parametrize(
    ("forge", "sentence"),
    [
        (
            of_another_authority,
            (
                "the server's certificate is not signed by a trusted authority ({said}). If it should be Amazon's, find"
                " out who answers there; if it is your own, name it in `caFile`. No password was sent."
            ),
        ),
        (
            of_another_host,
            (
                "the server's certificate is for another host ({said}). Find out who answers there: it is not the instance. No"
                " password was sent."
            ),
        ),
        (
            of_last_year,
            (
                "the server's certificate has expired, or is not valid yet ({said}). Check this machine's clock; if it is right,"
                " let RDS rotate the instance's certificate. No password was sent."
            ),
        ),
    ],
)
def test_a_certificate_that_nobody_should_trust(
    server: MySQLServer,
    open_tunnel: OpenTunnel | None,
    tmp_path: Path,
    forge: Callable[[MySQLServer, Path], Files],
    sentence: str,
) -> None:
    log_in(server, open_tunnel)
    with showing(server.directory / "tls", forge(server, tmp_path), partial(reload, server)):
        with pytest.raises(ActionRequired) as refused:
            log_in(server, open_tunnel)
        head, _, tail = sentence.partition("({said})")
        message = str(refused.value)
        assert message.startswith(f"MySQL at {server.address}:{server.port}: {head}(")
        assert message.endswith(f"){tail}")
    log_in(server, open_tunnel)


def test_a_bastion_that_dies_in_the_middle_of_a_statement(server: MySQLServer, tmp_path: Path) -> None:
    """Nobody can say whether it took effect; the next session has a connection of its own."""
    keys = Keys.made(tmp_path / "keys")
    port = free_port()
    endpoint, account = Endpoint(server.address, server.port), Credentials(MASTER, PASSWORD)
    tls = Tls(str(authority(server)))
    with closing(BastionTunnels(Running(keys, port).bastion)) as lines, ThreadPoolExecutor(1) as pool:
        with ExitStack() as bastion:
            bastion.enter_context(asyncssh_server(keys, port))
            with connect(endpoint, account, tls, open_tunnel=lines.open_tunnel) as session:
                asked = pool.submit(session.value, "SELECT SLEEP(20)")
                until(lambda: asleep(server), bool)
                bastion.close()
                with pytest.raises(OutcomeUnknown, match="the connection was lost during a statement"):
                    asked.result(5)
        with (
            asyncssh_server(keys, port),
            connect(endpoint, account, tls, open_tunnel=lines.open_tunnel) as session,
        ):
            assert session.value("SELECT 1") == 1
    assert left_of(port) == []


def asleep(server: MySQLServer) -> bool:
    with server.admin() as session:
        processes = query(
            session, "SELECT info FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
        )
    return bool(processes)


def test_many_sessions_at_once_through_one_connection(server: MySQLServer, running: Running) -> None:
    endpoint, account = Endpoint(server.address, server.port), Credentials(MASTER, PASSWORD)
    tls = Tls(str(authority(server)))
    with closing(BastionTunnels(running.bastion)) as lines, ThreadPoolExecutor(8) as pool:

        def read(number: int) -> str:
            with connect(endpoint, account, tls, open_tunnel=lines.open_tunnel) as session:
                assert session.value("SHOW STATUS LIKE 'Ssl_cipher'")
                # A megabyte, so that the lines take turns.
                return str(session.value("SELECT REPEAT(%s, 1000000)", str(number)))

        assert all(
            read == str(n % 10) * 1_000_000
            for n, read in enumerate(pool.map(read, [n % 10 for n in range(24)]))
        )
    assert left_of(running.port) == []
