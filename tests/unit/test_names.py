"""Names: derived from the source's identifier, and refused before RDS would."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.names import Names

_PART = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
IDENTIFIERS = st.builds(
    lambda first, parts: "-".join([first, *parts]),
    st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True),
    st.lists(_PART, max_size=3),
)
"""What RDS allows: letters, digits and single hyphens, beginning with a letter."""


def test_names_are_those_of_the_runbook() -> None:
    names = Names.of("test-rds01")
    assert (names.replica, names.encrypted, names.old, names.fence) == (
        "test-rds01-not-encrypted",
        "test-rds01-encrypted",
        "test-rds01-old",
        "test-rds01-fence",
    )


@given(IDENTIFIERS)
def test_every_derived_name_is_one_that_rds_allows(identifier: str) -> None:
    for name in Names.of(identifier).all:
        assert re.fullmatch(r"[a-z](?:-?[a-z0-9])*", name)
        assert len(name) <= 63


@given(IDENTIFIERS)
def test_names_never_meet(identifier: str) -> None:
    names = Names.of(identifier)
    assert len(set(names.all)) == len(names.all)


@pytest.mark.parametrize(
    "identifier", ["", "9lives", "Orders", "orders-", "or--ders", "or_ders", "órders", "-x"]
)
def test_what_is_no_identifier_is_refused(identifier: str) -> None:
    with pytest.raises(PreconditionFailed, match="this is not a DB instance identifier"):
        Names.of(identifier)


def test_the_longest_that_fits_is_taken() -> None:
    assert len(Names.of("a" * 49).replica) == 63


@pytest.mark.parametrize("length", [50, 63])
def test_one_that_is_too_long_once_suffixed_is_refused_with_the_length_that_fits(length: int) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        Names.of("a" * length)
    assert f"would have {length + 14} characters" in str(refused.value)
    assert "at most 49 characters" in str(refused.value)
