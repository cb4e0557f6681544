"""Which account is asked for the facts: the sandbox's, or that of the environment; the one place that knows of the sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import boto3
import pytest

from dev.sandbox import Sandbox
from tests.conformance.account import AUTHORITIES, Account, Elsewhere


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Account:
    authorities = os.environ.get(AUTHORITIES)
    if authorities:
        return Account(cast(Any, boto3.client), Elsewhere(), authorities)
    sandbox: Sandbox = request.getfixturevalue("sandbox")
    return Account.of(sandbox)


@pytest.fixture(autouse=True)
def nothing_provoked_is_left(account: Account) -> Iterator[None]:
    """What a test has provoked must not meet the next one."""
    yield
    account.provoke.clear()
