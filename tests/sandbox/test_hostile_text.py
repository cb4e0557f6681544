"""Names, passwords and hosts that hold quotes, blanks, percent signs or any other character break no statement of ours.

A canary schema stands beside: a text that escaped from its place could drop it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dev.sandbox.mysql import MySQLServer
from rds_encrypt.mysql import channel
from rds_encrypt.mysql.coordinates import Coordinates
from rds_encrypt.mysql.events import inventory, set_status
from rds_encrypt.mysql.session import Credentials, Endpoint, Session, Tls, connect, quote_name
from tests.sandbox.mysql_support import MASTER, PASSWORD, Farm

HOSTILE = [
    "'; DROP DATABASE canary; -- ",
    '"; DROP DATABASE canary; -- ',
    "`; DROP DATABASE canary; -- ",
    "\\'; DROP DATABASE canary; -- ",
    "%s %d %(name)s 100%",
    "'' \\ \\\\ \" ` /* */ #",
    "Grüße, 世界 🔐",
    "a\nb\tc\rd",
]
# What MySQL itself cannot store: zero bytes, lone surrogates; and in names, trailing blanks and what needs four bytes.
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=30)
NAMES = st.text(
    st.characters(max_codepoint=0xFFFF, blacklist_categories=["Cs", "Cc", "Cn", "Zs"]),
    min_size=1,
    max_size=30,
)

pytestmark = pytest.mark.slow
often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySQLServer]:
    with Farm.open(tmp_path_factory.mktemp("hostile"), "8.0") as farm:
        server = farm.new()
        with session_of(server) as session:
            session.execute("CREATE DATABASE canary")
        yield server


@contextmanager
def session_of(server: MySQLServer, user: str = MASTER, password: str = PASSWORD) -> Iterator[Session]:
    endpoint = Endpoint(server.address, server.port)
    authority = Tls(str(server.directory.parent / "ca.pem"))
    with connect(endpoint, Credentials(user, password), authority) as session:
        yield session


@pytest.fixture(scope="module")
def session(server: MySQLServer) -> Iterator[Session]:
    with session_of(server) as session:
        yield session


@pytest.fixture(autouse=True)
def _canary(session: Session) -> Iterator[None]:
    yield
    assert session.value("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'canary'") == 1


@often
@given(text=TEXT)
@example(text=HOSTILE[0])
@example(text=HOSTILE[1])
@example(text=HOSTILE[3])
@example(text=HOSTILE[4])
@example(text=HOSTILE[5])
@example(text=HOSTILE[6])
@example(text=HOSTILE[7])
def test_an_argument_arrives_as_it_was_given(session: Session, text: str) -> None:
    assert session.value("SELECT %s", text) == text


@often
@given(password=TEXT)
@example(password=HOSTILE[0])
@example(password=HOSTILE[3])
@example(password=HOSTILE[4])
@example(password=HOSTILE[5])
@example(password=HOSTILE[6])
def test_a_password_logs_in_whatever_is_in_it(server: MySQLServer, session: Session, password: str) -> None:
    session.execute("DROP USER IF EXISTS %s@%s", "hostile", "%")
    session.execute("CREATE USER %s@%s IDENTIFIED BY %s REQUIRE SSL", "hostile", "%", password)
    with session_of(server, "hostile", password) as theirs:
        assert theirs.value("SELECT CURRENT_USER()") == "hostile@%"


@often
@given(name=NAMES)
@example(name=HOSTILE[2].strip())
@example(name='it\'s "quoted" `twice` 100%s')
@example(name="Grüße-世界")
def test_a_quoted_name_is_that_name(session: Session, name: str) -> None:
    session.execute(f"CREATE DATABASE IF NOT EXISTS {quote_name('names')}")
    session.execute(f"CREATE TABLE names.{quote_name(name)} (id INT)")
    try:
        rows = session.rows(
            "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = 'names'"
        )
        assert [row["n"] for row in rows] == [name]
    finally:
        session.execute("DROP DATABASE names")


@often
@given(name=NAMES)
@example(name="it's; `quoted` 100%s")
@example(name="%")
def test_an_event_is_enabled_and_keeps_its_definer(session: Session, name: str) -> None:
    session.execute("DROP DATABASE IF EXISTS events_of_it")
    session.execute("CREATE DATABASE events_of_it")
    quoted = f"events_of_it.{quote_name(name)}"
    session.execute(f"CREATE EVENT {quoted} ON SCHEDULE EVERY 1 YEAR DISABLE DO SELECT 1")

    ours = [event for event in inventory(session) if event.schema == "events_of_it"]
    assert [(event.name, event.enabled) for event in ours] == [(name, False)]
    set_status(session, ours[0], enabled=True)

    after = [event for event in inventory(session) if event.schema == "events_of_it"]
    assert [(event.name, event.definer, event.enabled) for event in after] == [(name, ours[0].definer, True)]


@often
@given(password=st.text("abcXYZ0189-_'\"\\%` ", min_size=1, max_size=32))
def test_the_source_of_a_channel_is_the_one_that_was_given(session: Session, password: str) -> None:
    """RDS's procedure builds a statement of its arguments; the host is AWS's, the password ours."""
    account = Credentials("rds_encrypt_replication", password)
    try:
        attached = channel.attach(
            session, Endpoint("orders.example", 3306), account, Coordinates("b.000001", 4)
        )
        assert (attached.source_host, attached.source_user) == ("orders.example", "rds_encrypt_replication")
    finally:
        channel.detach(session)


def test_a_statement_with_a_percent_sign_and_no_argument_is_sent_as_it_is(session: Session) -> None:
    assert session.value("SELECT '100%'") == "100%"
