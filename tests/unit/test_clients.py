"""The clients that checks share: the same for a preview, others for a step that comes much later."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from providers import clients
from providers.clients import shared_clients
from rds_encrypt.aws.clients import AwsSettings

HERE = AwsSettings(region="eu-west-1")


@pytest.fixture(autouse=True)
def _none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_made", {})


def test_checks_at_the_same_time_share_what_they_ask_with() -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: shared_clients(HERE), range(8)))
    assert len({id(result) for result in results}) == 1
    assert len({id(result.aws) for result in results}) == 1


def test_a_check_that_comes_later_has_clients_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials may have been renewed, and quotas used up."""
    first, now = shared_clients(HERE), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 120)
    later = shared_clients(HERE)
    assert later.aws is not first.aws
    assert later.around is not first.around


def test_another_region_is_asked_with_other_clients() -> None:
    elsewhere = shared_clients(AwsSettings(region="us-east-1"))
    assert (shared_clients(HERE).aws.region, elsewhere.aws.region) == ("eu-west-1", "us-east-1")
