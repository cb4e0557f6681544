"""The facts about RDS that rds-encrypt builds on, and what a rehearsal makes of each.

Each judge looks only at what its own fact is about, so that one difference is reported once: a rename that passes through an unknown
status is not slow for that reason, and its other statuses are still those of a rename.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rds_encrypt.rehearse import facts_of_instances, facts_of_mysql
from rds_encrypt.rehearse.evidence import Answer, Evidence, Verdict
from rds_encrypt.rehearse.limits import Limits
from rds_encrypt.rehearse.measurements import Measurements
from rds_encrypt.rehearse.observations import Observation

__all__ = ["FACTS", "Answer", "Fact", "Judgement", "judge"]

_GUIDE = "documentation: Amazon RDS User Guide"
_DUMP = "evidence: dump of the mysql schema of an RDS 8.0.41 (2025-07)"
_PROCEDURES = "test_mysql_procedures.py"
_INSTANCES = "test_rds_instances.py"


@dataclass(frozen=True)
class Fact:
    """A fact about RDS.

    Attributes:
        source: how it is known, as the tables of facts say.
        judge: compares it with a rehearsal.
        test: the conformance test of the same fact.
        limit: the name of its limit.
    """

    name: str
    sentence: str
    source: str
    judge: Callable[[Evidence], Verdict]
    test: str | None = None
    limit: str | None = None


@dataclass(frozen=True)
class Judgement:
    """A fact, what a rehearsal makes of it, and what it observed."""

    fact: Fact
    answer: Answer
    observed: str


def judge(
    observations: Iterable[Observation], measured: Measurements, limits: Limits | None = None
) -> tuple[Judgement, ...]:
    """Return what a rehearsal makes of each fact."""
    evidence = Evidence(tuple(observations), measured, limits or Limits())
    return tuple(Judgement(fact, *fact.judge(evidence)) for fact in FACTS)


FACTS: tuple[Fact, ...] = (
    Fact(
        "instance-statuses",
        "An instance passes only through statuses that AWS documents",
        f'{_GUIDE}, "Viewing DB instance status"',
        facts_of_instances.instance_statuses,
    ),
    Fact(
        "snapshot-statuses",
        "A snapshot is `creating` or `copying`, then `available`",
        _GUIDE,
        facts_of_instances.snapshot_statuses,
    ),
    Fact(
        "statuses-of-a-creation",
        "`modifying`, `configuring-*`, `backing-up` come before `available`, as the settings imply",
        "evidence: terraform-provider-aws #3708, #6597; their order is guessed",
        facts_of_instances.creation,
        f"{_INSTANCES}::test_the_first_backup_comes_before_the_first_available",
    ),
    Fact(
        "first-backup",
        "A restore with backups makes its first full backup before the first `available`",
        "evidence: terraform-provider-aws #44104 (2025)",
        facts_of_instances.first_backup,
        f"{_INSTANCES}::test_the_first_backup_comes_before_the_first_available",
    ),
    Fact(
        "storage-initialization",
        "StorageOperationStatus reports that the volume of a restored instance is initialized",
        "documentation",
        facts_of_instances.initialization,
        f"{_INSTANCES}::test_storage_initialization_is_a_status_in_which_an_instance_works",
    ),
    Fact(
        "rename-time",
        "A rename takes minutes at most",
        f'{_GUIDE}, "Renaming a DB instance"; evidence: reports of real accounts, one to two minutes',
        facts_of_instances.rename_time,
        limit="rename",
    ),
    Fact(
        "rename-statuses",
        "In a rename the status is `available` for a moment more, then `renaming`, then `rebooting`",
        "evidence: reports of real accounts",
        facts_of_instances.rename_statuses,
        f"{_INSTANCES}::test_a_rename_takes_the_old_address_away_at_once",
    ),
    Fact(
        "old-name",
        "A rename takes the old DNS name away at once",
        f'{_GUIDE}, "Renaming a DB instance"; evidence: reports of real accounts',
        facts_of_instances.old_name,
        f"{_INSTANCES}::test_a_rename_takes_the_old_address_away_at_once",
        limit="old_name",
    ),
    Fact(
        "read-only",
        "`read_only` in the parameter group takes effect within seconds, without a reboot",
        "evidence: reports of real accounts; documentation: it is dynamic",
        facts_of_mysql.read_only,
        f"{_INSTANCES}::test_parameters_and_another_group",
        limit="read_only",
    ),
    Fact(
        "refusal-texts",
        "Procedures refuse in words that rds-encrypt knows",
        _DUMP,
        facts_of_mysql.refusal_texts,
        f"{_PROCEDURES}::test_start_and_stop",
    ),
    Fact(
        "refusal-number",
        "Refusals of procedures are error 1644",
        _DUMP,
        facts_of_mysql.refusal_number,
        f"{_PROCEDURES}::test_start_and_stop",
    ),
    Fact(
        "success-texts",
        "Procedures that work answer in words that rds-encrypt knows, never with a refusal",
        f"{_DUMP}; traces of 5.7 (2018-06) and 8.0 (2024-09)",
        facts_of_mysql.success_texts,
        f"{_PROCEDURES}::test_start_and_stop",
    ),
    Fact(
        "procedure-names",
        "The procedures have the names that AWS documents for the version",
        f"{_GUIDE}; guessed for 9.7",
        facts_of_mysql.procedure_names,
    ),
    Fact(
        "external-source",
        "Setting an external source returns no result",
        f"{_DUMP}; a trace of 8.0 (2024-09)",
        facts_of_mysql.external_source,
        f"{_PROCEDURES}::test_set_external_master_answers_with_nothing",
    ),
    Fact(
        "start-and-stop",
        "Starting and stopping replication takes the procedures' pauses, 3 s, and little more",
        f"{_DUMP}; a trace of 8.0 (2024-09): 3.04 s and 3.03 s",
        facts_of_mysql.pauses,
        f"{_PROCEDURES}::test_start_and_stop",
        limit="start_or_stop",
    ),
    Fact(
        "reset",
        "Reset takes 2 s if replication is not off, no time if it is",
        f"{_DUMP}; a trace of 8.0 (2024-09): 0.03 s",
        facts_of_mysql.reset,
        limit="reset",
    ),
    Fact(
        "binlog-retention",
        "RDS keeps binary logs for the retention that is set",
        _GUIDE,
        facts_of_mysql.retention,
        "test_mysql_servers.py::test_retention_keeps_files",
    ),
    Fact(
        "binlogs-without-retention",
        "Without a retention, binary logs are gone within minutes",
        "documentation; evidence: issues of binlog readers",
        facts_of_mysql.purged,
        "test_mysql_servers.py::test_retention_keeps_files",
    ),
)
