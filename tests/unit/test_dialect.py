"""Dialects: each version's own words, chosen once."""

from __future__ import annotations

import dataclasses

import pytest

from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.mysql.dialect import SUPPORTED, dialect_of
from tests.unit.fakes import FakeSession


def words(version: tuple[int, int, int]) -> str:
    return " ".join(str(value) for value in dataclasses.asdict(dialect_of(FakeSession({}, version))).values())


@pytest.mark.parametrize("version", [(5, 7, 22), (5, 7, 44), (8, 0, 11), (8, 0, 21)])
def test_before_8_0_22_it_is_master_and_slave(version: tuple[int, int, int]) -> None:
    dialect = dialect_of(FakeSession({}, version))
    assert (dialect.replica_status, dialect.binlog_status) == ("SHOW SLAVE STATUS", "SHOW MASTER STATUS")
    assert dialect.executed_file == "Relay_Master_Log_File"
    assert dialect.set_external == "mysql.rds_set_external_master"


@pytest.mark.parametrize("version", [(8, 0, 22), (8, 0, 31), (8, 0, 42)])
def test_from_8_0_22_on_status_says_replica_and_procedures_say_master(version: tuple[int, int, int]) -> None:
    dialect = dialect_of(FakeSession({}, version))
    assert (dialect.replica_status, dialect.binlog_status) == ("SHOW REPLICA STATUS", "SHOW MASTER STATUS")
    assert dialect.executed_file == "Relay_Source_Log_File"
    assert dialect.reset_external == "mysql.rds_reset_external_master"


@pytest.mark.parametrize("version", [(8, 4, 3), (9, 7, 4)])
def test_8_4_and_later_have_none_of_the_old_words(version: tuple[int, int, int]) -> None:
    text = words(version).lower()
    assert "show binary log status" in text
    assert "rds_set_external_source" in text
    assert "master" not in text
    assert "slave" not in text
    assert "md5" not in text
    assert "sha1" not in text


def test_5_7_is_not_asked_for_tables_that_it_does_not_have() -> None:
    assert "global_grants" not in words((5, 7, 22))
    assert all("global_grants" in words(version) for version in ((8, 0, 15), (8, 0, 31)))


@pytest.mark.parametrize("version", [(5, 6, 51), (8, 1, 0), (9, 1, 0)])
def test_a_series_that_we_do_not_know_is_refused(version: tuple[int, int, int]) -> None:
    with pytest.raises(PreconditionFailed, match=r"MySQL \d\.\d is not supported") as refused:
        dialect_of(FakeSession({}, version))
    assert f"Use one of {', '.join(SUPPORTED)}." in str(refused.value)
