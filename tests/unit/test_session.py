"""A session's errors, sorted by what to do about them; nothing secret shows in what is printed."""

from __future__ import annotations

from pathlib import Path

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.core.errors import (
    AccountRefused,
    ActionRequired,
    MigrationError,
    OutcomeUnknown,
    ProcedureRefused,
    Retryable,
    SessionGone,
    WriteRefused,
)
from rds_encrypt.mysql.session import Credentials, Endpoint, Tls, _classified, quote_name

WHERE = Endpoint("orders.example", 3306)


@pytest.mark.parametrize(
    ("code", "connecting", "kind"),
    [
        (2003, True, Retryable),
        (1040, True, Retryable),
        (2013, True, Retryable),
        (2013, False, OutcomeUnknown),
        (2006, False, OutcomeUnknown),
        (1317, False, OutcomeUnknown),
        (1205, False, Retryable),
        (1213, False, Retryable),
        (1290, False, WriteRefused),
        (1792, False, WriteRefused),
        (1045, True, AccountRefused),
        (1227, False, ActionRequired),
        (1064, False, ActionRequired),
        (1644, False, ProcedureRefused),
        (1095, False, ProcedureRefused),
        (1094, False, SessionGone),
    ],
)
def test_each_error_is_of_the_kind_that_says_what_to_do(
    code: int, *, connecting: bool, kind: type[MigrationError]
) -> None:
    error = _classified(pymysql.err.OperationalError(code, "said so"), WHERE, connecting=connecting)
    assert type(error) is kind
    assert "MySQL at orders.example:3306" in str(error)
    assert str(code) in str(error)


def test_a_lost_connection_is_never_retried_blindly() -> None:
    assert not isinstance(_classified(pymysql.err.OperationalError(2013, "lost"), WHERE), Retryable)


def test_an_error_without_a_number_is_told_as_it_is() -> None:
    assert "interface gone" in str(_classified(pymysql.err.InterfaceError("interface gone"), WHERE))


def test_a_password_does_not_show() -> None:
    assert "hunter2" not in repr(Credentials("admin", "hunter2"))


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_authorities_that_cannot_be_read_are_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ActionRequired, match="no certificate authority could be read") as error:
        Tls(str(file)).context()
    assert str(error.value).startswith(str(file))


@given(st.text(min_size=1, max_size=64))
def test_a_quoted_name_reads_back_as_the_name(name: str) -> None:
    quoted = quote_name(name)
    assert (quoted[0], quoted[-1]) == ("`", "`")
    inner = quoted[1:-1]
    assert inner.replace("``", "") == name.replace("`", "")
    assert inner.replace("``", "`") == name
