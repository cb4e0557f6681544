"""Access: references to an account, never the account itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from rds_encrypt.access import RDS_CA_BUNDLE, Access, AccessSettings, endpoint_of
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.secret_store import Account, read_account
from rds_encrypt.core.errors import AccountRefused, ActionRequired, Retryable
from rds_encrypt.mysql.session import Credentials, Endpoint, Session
from tests.unit.fakes import instance


class Vault(Aws):
    """An account with one secret, which may be changed."""

    def __init__(self, text: str) -> None:
        self.secrets = cast(Any, self)
        self.text = text
        self.reads = 0

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        self.reads += 1
        return {"SecretString": self.text}


class Door:
    """A server that accepts one password, in place of a connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
        self.password = password
        self.tried: list[str] = []
        monkeypatch.setattr("rds_encrypt.access.connect", self._connect)

    @contextmanager
    def _connect(self, _endpoint: Endpoint, account: Credentials, *_: Any, **__: Any) -> Iterator[Session]:
        self.tried.append(account.password)
        if account.password != self.password:
            raise AccountRefused("it refuses the account", where="MySQL")
        yield cast(Any, self)


def vault(password: str) -> Vault:
    return Vault(f'{{"username": "admin", "password": "{password}"}}')


BY_SECRET = AccessSettings(secret_id="orders/master")


def test_an_account_is_read_from_a_secret_as_rds_writes_it() -> None:
    written = (
        '{"username": "admin", "password": "p", "host": "x", "dbInstanceIdentifier": "orders", "port": 1}'
    )
    account = read_account(Vault(written), "s")
    assert account == Account("admin", "p", frozenset({"x", "orders"}))
    assert read_account(Vault('{"password": "p"}'), "s").username is None
    assert "hunter2" not in repr(Account("admin", "hunter2"))


@pytest.mark.parametrize("text", ["hunter2", "", "[]", '"hunter2"', '{"user": "hunter2"}', "null"])
def test_a_secret_of_another_form_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ActionRequired, match="not JSON with a `password`") as error:
        read_account(Vault(text), "orders/master")
    assert "hunter2" not in str(error.value)
    # The chained error could quote the text.
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_an_account_from_the_environment_is_the_instances_master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_PASSWORD", "hunter2")
    access = Access(Vault(""), AccessSettings(environment="ORDERS_PASSWORD"))
    credentials = access.credentials(instance(MasterUsername="rdsmaster"))
    assert (credentials.user, credentials.password) == ("rdsmaster", "hunter2")


def test_a_step_reads_its_secret_once(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = vault("p1")
    door, access = Door(monkeypatch, "p1"), Access(secret, BY_SECRET)
    for _ in range(3):
        with access.session(instance()):
            pass
    assert (secret.reads, door.tried) == (1, ["p1", "p1", "p1"])


def test_a_secret_that_was_changed_meanwhile_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = vault("p1")
    door, access = Door(monkeypatch, "p1"), Access(secret, BY_SECRET)
    with access.session(instance()):
        pass
    door.password, secret.text = "p2", secret.text.replace("p1", "p2")
    with access.session(instance()):
        pass
    assert (secret.reads, door.tried) == (2, ["p1", "p1", "p2"])


def test_an_account_that_is_refused_for_good_is_not_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = vault("wrong")
    door, access = Door(monkeypatch, "p1"), Access(secret, BY_SECRET)
    with pytest.raises(AccountRefused), access.session(instance()):
        pass
    assert door.tried == ["wrong"]


def test_a_variable_without_a_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERS_PASSWORD", raising=False)
    with pytest.raises(ActionRequired, match="the environment variable ORDERS_PASSWORD holds no password"):
        Access(Vault(""), AccessSettings(environment="ORDERS_PASSWORD")).credentials(instance())


def test_an_instance_without_an_address_is_not_there_yet() -> None:
    with pytest.raises(Retryable, match=r"no address \(it is creating\)"):
        endpoint_of(instance(Endpoint=None, DBInstanceStatus="creating"))
    assert str(endpoint_of(instance())) == "orders.example:3306"


def test_amazons_authorities_are_in_the_box() -> None:
    assert RDS_CA_BUNDLE.read_text(encoding="ascii").count("BEGIN CERTIFICATE") > 50
