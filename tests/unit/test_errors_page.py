"""docs/errors.md quotes every fault of the book and nothing else. (That it quotes the right words: tests/engine/test_faults.)"""

from __future__ import annotations

import pytest

from rds_encrypt.core.errors import ActionRequired
from tests.engine.faults.book import PAGE, SECTIONS, quoted, rendered, shown
from tests.engine.faults.catalogue import BOOK


def test_every_fault_of_the_book_is_on_the_page_and_no_other() -> None:
    titles = [fault.title for fault in BOOK]
    assert len(set(titles)) == len(titles)
    assert set(quoted(PAGE.read_text("utf-8"))) == set(titles)
    assert len(titles) >= 30


def test_the_page_is_what_the_book_makes_of_it() -> None:
    text = PAGE.read_text("utf-8")
    assert rendered(BOOK, quoted(text)) == text


def test_every_section_has_faults() -> None:
    assert {fault.section for fault in BOOK} == set(SECTIONS)


@pytest.mark.parametrize(
    ("message", "as_shown"),
    [
        ("MySQL at 127.70.0.11:3306: x", "MySQL at …: x"),
        ("db-ABCDEFGHIJ0123456789: x", "db-…: x"),
        ("it stands at mysql-bin-changelog.000012:4711", "it stands at …"),
        ("waited 12 s for it", "waited … s for it"),
    ],
)
def test_what_differs_from_case_to_case_is_not_shown(message: str, as_shown: str) -> None:
    assert shown(ActionRequired(message)) == f"{as_shown}."
