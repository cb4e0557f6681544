"""What a terminal shows of a run, as pictures: `python -m dev.demo.screens --directory docs/pictures`.

The real CLI runs in tmux, in a terminal of two widths, against a sandbox that is slow enough to watch; the source is written to
while it is copied, so that there is something to catch up with. Needs tmux.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from dev.sandbox import Sandbox
from dev.sandbox.seed import Seeded, seed
from dev.workload.database import Account, Connection, address, connected
from dev.workload.workspace import ROOT, Workspace
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["draw", "main"]

_IDENTIFIER = "orders"
_SLOWER = 12.0
"""Of the sandbox's waits."""
_PATIENCE = 240.0
_LINES = 50
_WIDTHS = (140, 80)
_ENDED = "-- ended --"
_THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (240, 246, 252),
    ],
)
_WEB_FONT = re.compile(r"\s*(@font-face \{[^}]*\}|<!--.*?-->)", re.DOTALL)
_FONT = 'ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace'


class Tmux:
    """One terminal in a server of its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def run(self, script: Path, columns: int) -> None:
        """Open the terminal and run a script in it."""
        self._ask("new-session", "-d", "-x", str(columns), "-y", str(_LINES), "-s", "it", f"bash {script}")

    def widen(self, columns: int) -> None:
        """Make it as wide as this."""
        self._ask("resize-window", "-t", "it", "-x", str(columns), "-y", str(_LINES))

    def screen(self, *options: str) -> str:
        """Return what it shows; with ``-e``, in colour."""
        return self._ask("capture-pane", "-p", *options, "-t", "it")

    def close(self) -> None:
        """End it, with all that runs in it."""
        self._ask("kill-server")

    def _ask(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._name, "-f", os.devnull, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def main(arguments: list[str] | None = None) -> int:
    """Drive a source through two phases, and keep what was to be seen: the catch-up, the plan of the cutover, the cutover."""
    parser = argparse.ArgumentParser(prog="dev.demo.screens", description=__doc__)
    parser.add_argument("--directory", type=Path, default=ROOT / "build", help="for the pictures")
    options = parser.parse_args(arguments)
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screens-") as temporary:
        place = Path(temporary)
        with Sandbox.running(place / "sandbox", factor=_SLOWER) as sandbox:
            seeded = seed(sandbox, rows=20_000, identifier=_IDENTIFIER)
            workspace = Workspace(
                place / "workspace", environment={**sandbox.settings(), DIRECTORY: str(place / "reports")}
            )
            workspace.create()
            workspace.config_set("rds-encrypt:sources[0].caFile", str(seeded.ca_bundle.resolve()))
            with _busy(sandbox, seeded) as begin:
                _watch(
                    workspace,
                    "up",
                    place,
                    begin=begin,
                    moment=" left, ",
                    save=options.directory,
                    name="catch-up",
                )
            workspace.config_set("rds-encrypt:phase", "cutover")
            _watch(workspace, "preview", place, moment=_ENDED, save=options.directory, name="plan")
            _watch(workspace, "up", place, moment="renaming", save=options.directory, name="cutover")
    return 0


def _watch(
    workspace: Workspace,
    verb: str,
    place: Path,
    *,
    moment: str,
    save: Path,
    name: str,
    begin: Callable[[str], None] = lambda _screen: None,
) -> None:
    """Run a command to its end, and take its pictures when ``moment`` is on the screen."""
    terminal = Tmux(f"screens-{os.getpid()}")
    terminal.run(_script(workspace, verb, place), _WIDTHS[0])
    taken, deadline = False, time.monotonic() + _PATIENCE
    try:
        while _ENDED not in (screen := terminal.screen()):
            begin(screen)
            if moment in screen and not taken:
                taken = True
                _take(terminal, save / f"terminal-{name}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"`pulumi {verb}` did not end:\n{screen}")
            time.sleep(0.3)
        if not taken:
            _take(terminal, save / f"terminal-{name}")
    finally:
        terminal.close()


def _take(terminal: Tmux, file: Path) -> None:
    for columns in _WIDTHS:
        terminal.widen(columns)
        time.sleep(1.5)
        draw(terminal.screen("-e"), columns, file.with_name(f"{file.name}-{columns}"))
    terminal.widen(_WIDTHS[0])


def draw(screen: str, columns: int, file: Path) -> None:
    """Write the screen as a picture, and as text beside it."""
    text = Text.from_ansi(screen.rstrip("\n"))
    file.with_suffix(".txt").write_text(f"{text.plain}\n", encoding="utf-8")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(text, no_wrap=True, crop=True)
        picture = console.export_svg(title=f"{columns} columns", theme=_THEME, unique_id=file.name)
    # Looked at without a network, and by whoever must not be told of it.
    picture = _WEB_FONT.sub("", picture.replace("Fira Code, monospace", _FONT))
    file.with_suffix(".svg").write_text(picture, encoding="utf-8")


def _script(workspace: Workspace, verb: str, place: Path) -> Path:
    options = ["--stack", workspace.stack, "--config-file", str(workspace.config_file)]
    if verb == "up":
        options += ["--yes", "--skip-preview", "--suppress-permalink"]
    exports = [
        f"export {name}={shlex.quote(value)}"
        for name, value in workspace.environment.items()
        if name.isidentifier() and name not in {"TERM", "TMUX"}
    ]
    script = place / f"{verb}.sh"
    lines = [*exports, f"cd {shlex.quote(str(ROOT))}", shlex.join(["pulumi", verb, *options])]
    script.write_text("\n".join([*lines, f"echo '{_ENDED}'", "sleep 60", ""]), encoding="utf-8")
    return script


@contextlib.contextmanager
def _busy(sandbox: Sandbox, seeded: Seeded) -> Iterator[Callable[[str], None]]:
    """Yield what begins to write a lot to the source once its snapshot is being copied, and wait for the end of that."""
    threads: list[threading.Thread] = []

    def begin(screen: str) -> None:
        if "SnapshotCopy" in screen and not threads:
            threads.append(threading.Thread(target=_write_a_lot, args=(sandbox, seeded)))
            threads[0].start()

    yield begin
    for thread in threads:
        thread.join()


def _write_a_lot(sandbox: Sandbox, seeded: Seeded) -> None:
    where = address(sandbox.client("rds"), seeded.identifier, seeded.ca_bundle)
    master = Account(seeded.master_user, seeded.master_password)
    with connected(where, master, database=seeded.database) as connection:
        _fill(connection)


def _fill(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE letters (id INT AUTO_INCREMENT PRIMARY KEY, content VARCHAR(1000))")
        cursor.execute("INSERT INTO letters (content) VALUES (REPEAT('x', 900))")
        for _ in range(14):
            cursor.execute("INSERT INTO letters (content) SELECT content FROM letters LIMIT 8000")
        for number in range(120):
            cursor.execute(
                "UPDATE letters SET content = CONCAT(LEFT(content, 880), %s) WHERE id %% 8 = %s",
                (str(number), number % 8),
            )


if __name__ == "__main__":
    sys.exit(main())
