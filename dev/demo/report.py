"""What a run of the demo came to, and which promises it broke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rds_encrypt.rehearse.writer import Accounting

__all__ = ["Old", "Phase", "Replica", "Report"]


@dataclass(frozen=True)
class Phase:
    """One phase: how long its ``pulumi up`` took, and how many resources the stack has after it."""

    phase: str
    seconds: float
    resources: int


@dataclass(frozen=True)
class Old:
    """The former source, which is kept on purpose."""

    identifier: str
    status: str
    keep_until: str
    parameter_group: str


@dataclass(frozen=True)
class Replica:
    """A replica of the source, by the name that its reader uses.

    Attributes:
        encrypted: whether the instance of this name is, at the end.
        read_outage_seconds: longest time without a read, in the phase ``cutover``.
        reads: how many there were.
        wrong_reads: those that saw the past, by more than the reader had been behind before.
    """

    name: str
    encrypted: bool
    read_outage_seconds: float
    reads: int
    wrong_reads: int

    def broken_promises(self) -> list[str]:
        """Return, as sentences, everything that is not as promised."""
        broken = {
            f"the replica {self.name} is not encrypted": not self.encrypted,
            f"nothing was read from {self.name}": self.reads == 0,
            f"{self.wrong_reads} reads from {self.name} saw the past": self.wrong_reads > 0,
        }
        return [sentence for sentence, so in broken.items() if so]


@dataclass(frozen=True)
class Report:
    """The figures of one run.

    Attributes:
        outage_seconds: longest time without an acknowledged write, on any connection, in the phase ``cutover``.
        findings: what the checks on the way found, as sentences; empty if everything was as promised.
    """

    engine_version: str
    phases: Sequence[Phase]
    writes: Accounting
    outage_seconds: float
    identifier: str
    storage_encrypted: bool
    kms_key_id: str
    kms_key_wanted: str
    left_behind: Sequence[str]
    old: Old
    tables: int
    seconds: float
    findings: Sequence[str] = field(default_factory=tuple)
    replicas: Sequence[Replica] = ()

    def broken_promises(self) -> list[str]:
        """Return, as sentences, everything that is not as promised."""
        broken = list(self.findings)
        if self.writes.acknowledged == 0:
            broken.append("no write was acknowledged at all")
        if self.writes.lost:
            broken.append(
                f"{len(self.writes.lost)} acknowledged writes are lost, the first is {self.writes.lost[0]}"
            )
        if self.writes.duplicates:
            broken.append(f"{len(self.writes.duplicates)} writes are there twice")
        if not self.storage_encrypted:
            broken.append(f"{self.identifier} is not encrypted")
        elif self.kms_key_id != self.kms_key_wanted:
            broken.append(
                f"{self.identifier} is encrypted with {self.kms_key_id} instead of {self.kms_key_wanted}"
            )
        broken += [sentence for replica in self.replicas for sentence in replica.broken_promises()]
        if self.left_behind:
            broken.append(f"something was left behind: {'; '.join(self.left_behind)}")
        return broken

    def as_json(self) -> dict[str, Any]:
        """Return what ``build/demo.json`` holds."""
        return {
            "engine_version": self.engine_version,
            "phases": [{**asdict(phase), "seconds": round(phase.seconds, 1)} for phase in self.phases],
            "acknowledged_writes": self.writes.acknowledged,
            "lost_writes": len(self.writes.lost),
            "outage_seconds": round(self.outage_seconds, 2),
            "identifier": self.identifier,
            "storage_encrypted": self.storage_encrypted,
            "kms_key_id": self.kms_key_id,
            "leftovers": list(self.left_behind),
            "replicas": [
                {
                    "name": replica.name,
                    "encrypted": replica.encrypted,
                    "read_outage_seconds": round(replica.read_outage_seconds, 2),
                    "reads": replica.reads,
                    "wrong_reads": replica.wrong_reads,
                }
                for replica in self.replicas
            ],
        }
