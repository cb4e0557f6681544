"""The end of the demo: one table that a reader understands without having followed."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from dev.demo.report import Report

__all__ = ["show"]


def show(console: Console, report: Report) -> None:
    """Print the figures."""
    table = Table(box=None, show_header=False, padding=(0, 2), highlight=False)
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column(overflow="fold")
    encrypted = "encrypted" if report.storage_encrypted else "NOT encrypted"
    table.add_row(f"`{report.identifier}`", f"{encrypted}, MySQL {report.engine_version}")
    table.add_row("KMS key", report.kms_key_id or "none")
    table.add_row(
        "data", f"{report.tables} tables compared with the old instance: definition, rows, checksum"
    )
    table.add_row(
        "writes",
        f"{report.writes.acknowledged:,} acknowledged, {len(report.writes.lost):,} lost,"
        f" {len(report.writes.duplicates):,} twice",
    )
    table.add_row(
        "write outage", f"{report.outage_seconds:.1f} s, the longest time without an acknowledged write"
    )
    for replica in report.replicas:
        table.add_row(
            f"`{replica.name}`",
            f"{'encrypted' if replica.encrypted else 'NOT encrypted'}, {replica.reads:,} reads,"
            f" {replica.wrong_reads:,} of the past; {replica.read_outage_seconds:.1f} s, the longest time without a read",
        )
    for phase in report.phases:
        table.add_row(
            phase.phase, f"{phase.seconds:.0f} s, {phase.resources} resources in the stack afterwards"
        )
    table.add_row("in all", f"{report.seconds:.0f} s")
    table.add_row("left behind", "; ".join(report.left_behind) or "nothing")
    table.add_row(
        "kept",
        f"{report.old.identifier}: {report.old.status}, read-only by parameter group {report.old.parameter_group};"
        f" to be kept until {report.old.keep_until}, when the new backups replace its own",
    )
    console.print(table)
