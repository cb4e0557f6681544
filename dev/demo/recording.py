"""Records `make demo` for the README, as text and as a picture of the essential lines: `python -m dev.demo.recording`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.text import Text

from dev.demo.picture import draw
from dev.workload.workspace import ROOT

__all__ = ["essential", "main"]

_DIRECTORY = ROOT / "docs" / "terminal"
_COMMAND = "make demo"
_COLUMNS = 100
_LEFT_OUT = Text("  …")
_HEADING = re.compile(r"(?:\d/\d )?(?P<title>\w[^─]*) ─+$")
_END = "Summary"
_OWN = re.compile(r"$|\S|  (?!Diagnostics:)\S")
"""The demo's own lines: headings, sentences, commands and results. Pulumi's are indented further."""
_SHOWN = {"cutover": (("Moves, in this order:", "Undo: "), ("closing the fence", "changes. "))}
"""Of Pulumi's lines in a phase, the picture has those from one with these words to one with those."""


def main() -> int:
    """Run the demo and keep what it prints; return its exit code."""
    shown = subprocess.run(
        _COMMAND.split(),
        cwd=ROOT,
        env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if shown.returncode:
        sys.stderr.write(shown.stdout)
        return shown.returncode
    screen = Text.from_ansi(f"$ {_COMMAND}\n{shown.stdout.rstrip()}")
    for line in (lines := screen.split("\n")):
        line.rstrip()
    _write(_DIRECTORY / "demo.txt", (line.plain for line in lines))
    draw(Text("\n").join(essential(lines)), _COLUMNS, _DIRECTORY / "demo.svg", title=_COMMAND)
    return 0


def essential(lines: Iterable[Text]) -> Iterator[Text]:
    """Yield the lines that tell the story, with an ellipsis wherever some are left out."""
    phase, until, skipping = "", "", False
    for line in lines:
        if heading := _HEADING.match(line.plain):
            phase = heading["title"]
        if phase == _END or _OWN.match(line.plain):
            until = ""
        elif not until:
            until = next((last for first, last in _SHOWN.get(phase, ()) if first in line.plain), "")
            if not until:
                if not skipping:
                    yield _LEFT_OUT
                skipping = True
                continue
        yield line
        skipping = False
        if until and until in line.plain:
            until = ""


def _write(file: Path, lines: Iterable[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
