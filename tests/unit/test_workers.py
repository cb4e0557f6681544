"""Which worker a source is in: it must always be the same, since a step that changes its provider may be replaced."""

from __future__ import annotations

from collections import Counter

import pytest

from components.workers import WORKERS, worker_of


@pytest.mark.parametrize(
    ("identifier", "worker"), [("orders", 1), ("invoices", 3), ("shop-01", 4), ("shop-50", 3)]
)
def test_a_source_is_in_the_worker_that_it_has_always_been_in(identifier: str, worker: int) -> None:
    assert worker_of(identifier) == worker


def test_sources_are_spread() -> None:
    sources_per_worker = Counter(worker_of(f"shop-{number:02}") for number in range(1, 101))
    assert set(sources_per_worker) == set(range(1, WORKERS + 1))
    assert max(sources_per_worker.values()) < 2 * 100 / WORKERS
