"""Which account is asked for the facts: the sandbox's, or that of the environment; the one place that knows of the sandbox."""

from __future__ import annotations

import os

import boto3
import pytest

from dev.sandbox import Sandbox
from tests.conformance.account import Account, Elsewhere

AUTHORITIES = "RDS_ENCRYPT_CONFORMANCE_CA"
"""Names a file of certificate authorities, and with that asks the AWS account of the environment."""


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Account:
    authorities = os.environ.get(AUTHORITIES)
    if authorities:
        return Account(boto3.client, Elsewhere(), authorities, patience=3600.0)
    sandbox: Sandbox = request.getfixturevalue("sandbox")
    return Account.of(sandbox)
