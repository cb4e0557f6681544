"""Made-up rehearsals: files of observations and reports, as a rehearsal of the copy `shop-rehearsal` would leave them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rds_encrypt.rehearse.measurements import Measurements, measure
from rds_encrypt.rehearse.observations import Observations

COPY = "shop-rehearsal"
NOON = datetime(2026, 12, 3, 12, tzinfo=UTC)


class Made:
    """A rehearsal that is written by hand, with times in seconds after noon."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.observations = Observations(directory / "observations.jsonl")

    def see(self, at: float, kind: str, **facts: Any) -> None:
        line = json.dumps({"at": iso(at), "kind": kind, **facts})
        with self.observations.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def instance(self, which: str, *statuses: tuple[float, str, str | None], storage: Any = None) -> None:
        """An instance's life: its name and its status at each time."""
        for at, identifier, status in statuses:
            self.see(at, "instance", id=which, identifier=identifier, status=status, gib=100, storage=storage)

    def call(self, at: float, procedure: str, seconds: float, answer: str = "", *, ok: bool = True) -> None:
        host = f"{COPY}.c9akciq32.eu-central-1.rds.amazonaws.com"
        self.see(at, "procedure", server=host, procedure=procedure, seconds=seconds, ok=ok, answer=answer)

    def move(self, at: float, move: str, event: str, **facts: Any) -> None:
        self.see(at, "move", move=move, event=event, **facts)

    def report(self, move: str, suffix: str, content: dict[str, Any]) -> None:
        path = self.directory / "reports" / move / f"{COPY}-{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    def cut_over(self, at: float, move: str, *, fenced: float = 0.4, open_: float = 100.0) -> None:
        """The program's log of a cutover or rollback that asked for the fence at that time."""
        moments = {"fence_requested": at, "fenced": at + fenced, "drained": at + fenced + 1}
        moments |= {"swap_began": at + 5, "second_renamed": at + open_ - 1, "open": at + open_}
        verb = move.partition("-")[2]
        self.report(move, f"{verb}.json", log(at, moments))

    def measure(self) -> Measurements:
        return measure(self.observations, self.directory / "reports", COPY)


def log(began: float, moments: dict[str, float], outcome: str = "complete", *earlier: Any) -> dict[str, Any]:
    """The program's log of an attempt."""
    times = {name: iso(at) for name, at in moments.items()}
    return {"began": iso(began), "outcome": outcome, "moments": times, "earlier": list(earlier)}


def iso(at: float) -> str:
    return (NOON + timedelta(seconds=at)).isoformat(timespec="milliseconds")


def whole(directory: Path) -> Made:
    """A rehearsal in which RDS behaves as expected: replicate, cutover, rollback."""
    made = Made(directory)
    made.instance("db-S", (0, COPY, "creating"), (300, COPY, "available"))
    made.see(0, "name", identifier=COPY, state="unresolved")
    made.see(300, "name", identifier=COPY, state="open")
    made.see(
        301,
        "binlogs",
        id="db-S",
        first="mysql-bin-changelog.000003",
        last="mysql-bin-changelog.000004",
        hours=None,
    )
    made.move(310, "1-replicate", "begin")
    replica, encrypted = f"{COPY}-not-encrypted", f"{COPY}-encrypted"
    made.call(311, "mysql.rds_set_configuration", 0.02)
    made.see(
        312,
        "binlogs",
        id="db-S",
        first="mysql-bin-changelog.000004",
        last="mysql-bin-changelog.000004",
        hours=24,
    )
    made.instance("db-R", (320, replica, "creating"), (620, replica, "available"))
    made.call(625, "mysql.rds_stop_replication", 3.03, "Slave is now down or disabled")
    for name, began, secret in ((replica, 630, False), (encrypted, 700, True)):
        snapshot = {"identifier": name, "gib": 100, "encrypted": secret}
        made.see(began, "snapshot", **snapshot, status="creating", progress=0)
        made.see(began + 30, "snapshot", **snapshot, status="creating", progress=50)
        made.see(began + 60, "snapshot", **snapshot, status="available", progress=100)
    made.instance("db-E", (800, encrypted, "creating"))
    made.instance(
        "db-E", (1000, encrypted, "modifying"), (1050, encrypted, "backing-up"), storage=["Initializing", 10]
    )
    made.instance("db-E", (1100, encrypted, "available"), storage=["Initializing", 40])
    made.instance("db-E", (1400, encrypted, "available"))
    made.call(1110, "mysql.rds_set_external_master", 0.05)
    refused = "RDS's procedure reports an error (1644 Slave is already stopped or may not be configured. Run SHOW SLAVE STATUS\\G;)"
    made.call(1111, "mysql.rds_stop_replication", 0.01, refused, ok=False)
    made.call(
        1112, "mysql.rds_start_replication", 3.04, "Replication started. Slave is now running normally."
    )
    made.report("1-replicate", "verification.json", VERIFICATION)
    made.move(1500, "1-replicate", "end", seconds=1190.0, gap=0.2)
    made.move(1600, "2-cutover", "begin")
    made.cut_over(1610, "2-cutover")
    rename(made, 1616, "db-S", COPY, f"{COPY}-old")
    made.see(1616, "name", identifier=COPY, state="unresolved")
    rename(made, 1660, "db-E", encrypted, COPY, seconds=48)
    made.see(1709, "name", identifier=COPY, state="open")
    made.call(1720, "mysql.rds_reset_external_master", 0.03, "Slave has been reset")
    made.move(1750, "2-cutover", "end", seconds=150.0, gap=99.8)
    made.report("2-cutover", "verification.json", VERIFICATION)
    made.see(
        1751,
        "binlogs",
        id="db-S",
        first="mysql-bin-changelog.000004",
        last="mysql-bin-changelog.000009",
        hours=24,
    )
    made.see(1800, "writes", acknowledged=5000, lost=0, duplicates=0)
    return made


def rename(made: Made, at: float, which: str, old: str, new: str, *, seconds: float = 80) -> None:
    """A rename: the description shows the new name as soon as it is `renaming`."""
    made.instance(which, (at - 20, old, "available"), (at, new, "renaming"))
    made.instance(which, (at + seconds / 2, new, "rebooting"), (at + seconds, new, "available"))


VERIFICATION = {
    "verified_at": "2026-12-03T12:20:00+00:00",
    "verify_level": "full",
    "verified_rows": 1_000_000,
    "verify_seconds": 20.0,
    "clean": True,
    "chunks_resumed": 0,
}
