"""Each fault, provoked on real servers and the real API: it must be told in the words that docs/errors.md quotes.

`make docs-errors` sets RDS_ENCRYPT_WRITE_ERRORS, which writes the page instead of comparing with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from rds_encrypt.core.errors import Bug, MigrationError
from tests.engine.faults.book import PAGE, Fault, quoted, rendered, shown
from tests.engine.faults.catalogue import BOOK
from tests.engine.faults.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.slow]

Said = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def stage(broken_stage: Stage) -> Stage:
    """It is left broken; tests/engine/test_procedure_interrupted.py goes on from there."""
    return broken_stage


@pytest.fixture(scope="module")
def said() -> Iterator[Said]:
    """What the page says; or what it is to say, if it is to be written."""
    if not os.environ.get("RDS_ENCRYPT_WRITE_ERRORS"):
        yield quoted(PAGE.read_text("utf-8"))
        return
    heard: Said = {}
    yield heard
    PAGE.write_text(rendered(BOOK, heard), "utf-8")


def provoked(stage: Stage, fault: Fault) -> MigrationError:
    """Return the error that a fault ends with, the stage put back."""
    try:
        with pytest.raises(MigrationError) as raised:
            fault.provoke(stage)
    finally:
        stage.faults.clear()
        stage.later.close()
    return raised.value


@pytest.mark.parametrize("fault", BOOK, ids=lambda fault: f"{fault.section}-{fault.title}".replace(" ", "-"))
def test_a_fault_is_told_as_the_page_quotes_it(stage: Stage, said: Said, fault: Fault) -> None:
    error = provoked(stage, fault)

    assert not isinstance(error, Bug)
    assert error.where, "it does not say where"
    assert error.fix, "it does not say what to do"
    if os.environ.get("RDS_ENCRYPT_WRITE_ERRORS"):
        said[fault.title] = (error.kind, shown(error))
    assert said[fault.title] == (error.kind, shown(error))
