"""What a newcomer sees: a heading per phase, the commands, and those of the CLI's own lines that say something."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from rds_encrypt.rehearse.workspace import Result

__all__ = ["Terminal", "worth_showing"]

# One row of the CLI's table: sign, type, name, and what happens ("created (5s)").
_ROW = re.compile(
    r"^ (?P<sign>[+~\-]|[+\-]{2}| ) +(?P<type>[\w/.\-]+:[\w:/.\-]+) (?P<name>\S+) ?(?P<rest>.*)$"
)
_BEGINNING = re.compile(
    r"^(creating|updating|deleting|reading|refreshing|replacing)( \(\d[\d.]*m?s\))?(\[retain\])? *(\[diff: .*\])?$"
)
_PRESENT = ("creating", "updating", "deleting")
_REPEAT = 15.0
"""Seconds after which progress that continues is shown again."""
_NOISE = ("pulumi:pulumi:Stack", "rds-encrypt:index:Migration")
_MARGIN = "  "
_STYLES = {"+": "green", "~": "yellow", "-": "red"}


class Terminal:
    """Prints, and keeps the whole output of each command in a log file."""

    def __init__(self, console: Console, logs: Path) -> None:
        self.console = console
        self._logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        for stale in logs.glob("demo-*.log"):
            stale.unlink()

    def heading(self, title: str, sentence: str = "") -> None:
        """Open a part of the demo."""
        self.console.print()
        self.console.rule(Text(title, style="bold"), align="left", style="bright_black")
        if sentence:
            self.say(sentence)

    def say(self, sentence: str, *, style: str = "") -> None:
        """Print one sentence."""
        self.console.print(Text(f"  {sentence}", style=style))

    def good(self, sentence: str) -> None:
        """Print something that is as promised."""
        self.console.print(Text.assemble(("  ✓ ", "bold green"), sentence))

    def bad(self, sentence: str) -> None:
        """Print something that is not."""
        self.console.print(Text.assemble(("  ✗ ", "bold red"), sentence))

    def command(self, command: str) -> None:
        """Print a command as it would be typed."""
        self.console.print(Text.assemble(("  $ ", "bright_black"), (command, "bold")))

    def listener(self) -> Callable[[str], None]:
        """Return a receiver of one command's lines that shows those worth showing."""
        filtering = _Filter()

        def show(line: str) -> None:
            if filtering(line):
                self.console.print(_styled(line.rstrip(), self._width), soft_wrap=True)

        return show

    @property
    def _width(self) -> int:
        """Columns to wrap at; a file or a CI log takes lines as long as they are."""
        return self.console.width if self.console.is_terminal else 0

    def log(self, name: str, result: Result) -> Path:
        """Append a command's whole output to the log of that name."""
        path = self._logs / f"demo-{name}.log"
        with path.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(result.command)}\n{result.output}\n")
            log.write(f"(exit code {result.returncode} after {result.seconds:.1f} s)\n\n")
        return path


class _Filter:
    """Decides line by line; what is an error is shown to the end."""

    def __init__(self) -> None:
        self._block = ""
        self._progress: dict[str, tuple[str, float]] = {}
        self._last = "-"

    def __call__(self, line: str) -> bool:
        if line in {"Outputs:", "Resources:", "Diagnostics:"}:
            self._block = line
            return line == "Diagnostics:"
        if line and not line.startswith(" "):
            self._block = ""
        if self._block:
            return self._block != "Outputs:" and bool(line.strip())
        if not worth_showing(line) or self._repeats(line):
            return False
        # A row is printed again with what its resource has said, which comes in full under "Diagnostics".
        longer, self._last = line.startswith(self._last), line.rstrip()
        return not longer

    def _repeats(self, line: str) -> bool:
        """Whether a row's progress says the same as a moment ago with other figures."""
        row = _ROW.match(line)
        if row is None or not row["rest"].startswith(_PRESENT):
            return False
        words, now = re.sub(r"[\d.]+", "", row["rest"]), time.monotonic()
        shown, at = self._progress.get(row["type"], ("", 0.0))
        if words == shown and now - at < _REPEAT:
            return True
        self._progress[row["type"]] = words, now
        return False


def worth_showing(line: str) -> bool:
    """Whether a line outside the CLI's blocks says something new: an end, progress, an error."""
    if line.startswith(("error:", "warning:")):
        return True
    row = _ROW.match(line)
    if row is None or row["type"].startswith(_NOISE):
        return False
    rest = row["rest"].strip()
    return bool(rest) and not _BEGINNING.match(rest)


def _styled(line: str, width: int) -> Text:
    row = _ROW.match(line)
    shown = _wrapped(f"{_MARGIN}{line}", width)
    if "error" in line or "failed" in line:
        return Text(shown, style="red")
    if row is None:
        return Text(shown)
    style = "bright_black" if row["rest"].startswith(_PRESENT) else _STYLES.get(row["sign"], "")
    return Text(shown, style=style)


def _wrapped(line: str, width: int) -> str:
    """Break a long line between words, what follows a little further in."""
    if not width or len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 3)
    return textwrap.fill(line, width, subsequent_indent=indent, break_on_hyphens=False)
