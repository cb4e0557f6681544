"""The fence by locked accounts: what is noted about those that were locked before, and what is unlocked again."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.aws.instances import Instances
from rds_encrypt.cutover.account_fence import AccountFence, digest, digests, obstacle
from rds_encrypt.mysql.accounts import Account, issue_probe
from tests.unit.fakes import FakeAws, FakeSession, instance

ACCOUNTS = st.builds(Account, user=st.text(max_size=32), host=st.text(max_size=60), locked=st.just(True))
TAG = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.:/=+-@")


@given(st.lists(ACCOUNTS, max_size=28, unique=True))
def test_the_note_fits_into_a_tag_whatever_accounts_are_called(accounts: list[Account]) -> None:
    noted = digests(accounts)
    assert 0 < len(noted) <= 256
    assert set(noted) <= TAG
    assert all(digest(account) in noted for account in accounts)


def session(*accounts: tuple[str, int], scheduler: str = "OFF", fellows: int = 0) -> FakeSession:
    return FakeSession(
        {
            "SELECT CURRENT_USER()": [{"who": "admin@%"}],
            "SELECT user AS u": [{"u": user, "h": "%", "locked": locked} for user, locked in accounts],
            "SELECT @@GLOBAL.event_scheduler": [{"value": scheduler}],
            "SELECT event_schema": [{"s": "shop", "n": "tidy", "d": "admin@%", "st": "ENABLED"}],
            "SELECT USER()": [{"who": "admin@10.0.0.7"}],
            "SELECT CONNECTION_ID()": [{"id": 99}],
            "SHOW PROCESSLIST": [{"Id": n, "User": "admin", "Command": "Sleep"} for n in range(fellows)],
        }
    )


def fence(**tags: str) -> AccountFence:
    database = instance(tags={f"rds-encrypt:{key.replace('_', '-')}": value for key, value in tags.items()})
    return AccountFence(Instances(FakeAws(database)), cast(Any, None), database.resource_id)


def unlocked(sent: list[tuple[str, tuple[object, ...]]]) -> list[object]:
    return [arguments[0] for statement, arguments in sent if "ACCOUNT UNLOCK" in statement]


def test_only_what_was_open_before_is_unlocked() -> None:
    before = digest(Account("clerk", "%", locked=True))
    here = session(("app", 1), ("clerk", 1), ("open", 0))
    fence(read_only_before="accounts", locked_before=before).hand_over(here)
    assert unlocked(here.sent) == ["app"]


def test_the_other_instance_s_note_serves_if_another_tool_removed_the_tags() -> None:
    here = session(("app", 1), ("clerk", 1))
    before = digest(Account("clerk", "%", locked=True))
    replace(fence(), locked_before=before).hand_over(here)
    assert unlocked(here.sent) == ["app"]


def test_without_the_note_nothing_is_unlocked() -> None:
    here = session(("app", 1))
    fence(read_only_before="accounts").hand_over(here)
    assert unlocked(here.sent) == []


def test_a_password_has_a_character_of_each_kind_and_few_that_rds_s_procedure_must_quote() -> None:
    """MySQL's validate_password demands the former in its default policy; RDS's procedure builds a statement from it."""
    for _ in range(200):
        password = issue_probe(session()).password
        assert len(password) == 32
        assert all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]"))
        assert re.fullmatch(r"[A-Za-z0-9_-]+", password)


def test_rds_and_we_are_no_applications() -> None:
    here = session(
        ("admin", 0), ("rdsadmin", 0), ("rds_encrypt_replication", 0), ("mysql.sys", 1), ("app", 0)
    )
    assert not fence().holds(here)
    assert fence().holds(session(("admin", 0), ("rdsadmin", 0), ("app", 1)))


def test_it_does_not_hold_while_a_session_is_left() -> None:
    assert not fence().holds(session(("app", 1), fellows=1))


def test_what_would_write_on_is_an_obstacle() -> None:
    assert obstacle(session()) is None
    assert "scheduled events would keep writing (such as shop.tidy)" in str(obstacle(session(scheduler="ON")))
    assert "use the account of rds-encrypt" in str(obstacle(session(fellows=1)))
    assert "29 accounts are already locked" in str(obstacle(session(*[(f"a{n}", 1) for n in range(29)])))


def test_the_fence_that_an_instance_has_is_told_by_its_tag() -> None:
    assert fence(read_only_before="accounts").put_back()
    assert not fence().put_back()


@pytest.mark.parametrize(
    ("command", "statement", "holds"),
    [
        ("Sleep", None, False),
        ("Connect", None, True),
        ("Killed", None, True),
        ("Killed", "INSERT INTO t VALUES (1)", False),
    ],
)
def test_a_login_that_mysql_is_about_to_refuse_and_what_is_over_are_no_sessions(
    command: str, statement: str | None, *, holds: bool
) -> None:
    here = session(("app", 1))
    here.answers["SHOW PROCESSLIST"] = [{"Id": 7, "User": "app", "Command": command, "Info": statement}]
    assert fence().holds(here) is holds
