"""Which account is asked for the facts: the one place that knows of the sandbox."""

from __future__ import annotations

import pytest

from dev.sandbox import Sandbox
from tests.conformance.account import Account


@pytest.fixture(scope="module")
def account(sandbox: Sandbox) -> Account:
    return Account.of(sandbox)
