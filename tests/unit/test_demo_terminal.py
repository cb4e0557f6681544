"""Of the CLI's lines, only those that tell something are shown."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dev.demo.terminal import Terminal, worth_showing


@pytest.mark.parametrize(
    "line",
    [
        " +  aws:rds:Instance orders-encrypted create ",
        " +  aws:rds:Instance orders-encrypted created (6s) ",
        " -  aws:rds:Instance orders-encrypted delete[retain] ",
        " ~  pulumi-python:dynamic/rds:Preflight orders updated (0.01s) [diff: ~phase]",
        " +  pulumi-python:dynamic/rds:Cutover orders creating (1s) closing the fence",
        " +  pulumi-python:dynamic/rds:DeletionGuard orders **creating failed** error: it is not like the source",
        "error: no changes were expected for preview but changes were proposed",
    ],
)
def test_what_happens_is_shown(line: str) -> None:
    assert worth_showing(line)


@pytest.mark.parametrize(
    "line",
    [
        "Updating (dev):",
        "",
        " +  pulumi:pulumi:Stack rds-encrypt-dev creating (0s) ",
        " +  rds-encrypt:index:Migration orders created ",
        " +  aws:rds:Instance orders-encrypted creating (0s) ",
        " ~  pulumi-python:dynamic/rds:Preflight orders updating (0s) [diff: ~phase]",
        " -  aws:rds:Instance orders-encrypted deleting (0s)[retain] ",
        "    pulumi-python:dynamic/rds:Claim orders  ",
        "Duration: 23s",
        "Permalink: file:///somewhere",
    ],
)
def test_what_only_begins_or_repeats_is_not(line: str) -> None:
    assert not worth_showing(line)


OUTPUT = """Updating (dev):

 +  pulumi-python:dynamic/rds:CatchUp orders creating (2s) lag 4 s, 0.16 MB behind
 +  pulumi-python:dynamic/rds:CatchUp orders creating (3s) lag 2 s, 0.08 MB behind
 +  pulumi-python:dynamic/rds:CatchUp orders created (4s)
Outputs:
    orders: {
        phase: "replicate"
    }

Resources:
    + 18 created

Duration: 23s
"""


def test_outputs_and_repeated_progress_are_left_to_the_log(tmp_path: Path) -> None:
    screen = StringIO()
    show = Terminal(Console(file=screen, width=100), tmp_path).listener()
    for line in OUTPUT.splitlines():
        show(line)
    assert [line.strip() for line in screen.getvalue().splitlines()] == [
        "+  pulumi-python:dynamic/rds:CatchUp orders creating (2s) lag 4 s, 0.16 MB behind",
        "+  pulumi-python:dynamic/rds:CatchUp orders created (4s)",
        "+ 18 created",
    ]


def test_an_error_is_shown_to_its_end(tmp_path: Path) -> None:
    screen = StringIO()
    show = Terminal(Console(file=screen, width=100), tmp_path).listener()
    for line in (
        "Diagnostics:",
        "  rds:DeletionGuard (orders):",
        "    error: it is not encrypted",
        "",
        "Duration: 1s",
    ):
        show(line)
    assert "it is not encrypted" in screen.getvalue()
    assert "Duration" not in screen.getvalue()
