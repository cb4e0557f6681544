"""What a terminal shows of the catch-up, as the picture in docs/report.md: `python -m dev.demo.screens`.

The real CLI runs in tmux against a sandbox that is slow enough to watch; the source is written to while it is copied, so that there is
something to catch up with. Needs tmux.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.text import Text

from dev.demo.picture import draw
from dev.sandbox import Sandbox
from dev.sandbox.seed import Seeded, seed
from dev.workload.database import address
from dev.workload.workspace import ROOT, Workspace
from rds_encrypt.rehearse.client import Connection, connected
from rds_encrypt.reports.files import DIRECTORY

__all__ = ["main"]

_PICTURE = ROOT / "docs" / "pictures" / "terminal-catch-up-140.svg"
_SLOWER = 12.0
"""Of the sandbox's waits."""
_PATIENCE = 240.0
_LINES, _COLUMNS = 50, 140
_MOMENT = " left, "
"""What the row says once there is an estimate."""


def main() -> int:
    """Drive a source through phase `replicate`, and keep what can be seen of the catch-up."""
    with tempfile.TemporaryDirectory(prefix="screens-") as temporary:
        place = Path(temporary)
        with Sandbox.running(place / "sandbox", factor=_SLOWER) as sandbox:
            seeded = seed(sandbox, rows=20_000)
            environment = {**sandbox.settings(), DIRECTORY: str(place / "reports")}
            workspace = Workspace(place / "workspace", environment=environment)
            workspace.create()
            workspace.config_set("rds-encrypt:sources[0].caFile", str(seeded.ca_bundle.resolve()))
            _watch(_script(workspace, place), sandbox, seeded)
    return 0


def _watch(script: Path, sandbox: Sandbox, seeded: Seeded) -> None:
    """Run a script in a terminal, write a lot once the snapshot is being copied, and draw the screen at that moment."""
    writing = threading.Thread(target=_write_a_lot, args=(sandbox, seeded))
    deadline = time.monotonic() + _PATIENCE
    _tmux("new-session", "-d", "-x", str(_COLUMNS), "-y", str(_LINES), "-s", "it", f"bash {script}")
    try:
        while _MOMENT not in (screen := _tmux("capture-pane", "-p", "-e", "-t", "it")):
            if "SnapshotCopy" in screen and writing.ident is None:
                writing.start()
            if time.monotonic() > deadline:
                raise TimeoutError(f"there was nothing to catch up with:\n{screen}")
            time.sleep(0.3)
        draw(Text.from_ansi(screen.rstrip("\n")), _COLUMNS, _PICTURE, title=f"{_COLUMNS} columns")
        writing.join()
    finally:
        _tmux("kill-server")


def _tmux(*arguments: str) -> str:
    """Ask a server of our own, which ends with all that runs in it."""
    command = ["tmux", "-L", f"screens-{os.getpid()}", "-f", os.devnull, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _script(workspace: Workspace, place: Path) -> Path:
    options = ["--stack", workspace.stack, "--config-file", str(workspace.config_file)]
    options += ["--yes", "--skip-preview", "--suppress-permalink"]
    exports = [
        f"export {name}={shlex.quote(value)}"
        for name, value in workspace.environment.items()
        if name.isidentifier() and name not in {"TERM", "TMUX"}
    ]
    script = place / "up.sh"
    lines = [*exports, f"cd {shlex.quote(str(ROOT))}", shlex.join(["pulumi", "up", *options]), "sleep 60", ""]
    script.write_text("\n".join(lines), encoding="utf-8")
    return script


def _write_a_lot(sandbox: Sandbox, seeded: Seeded) -> None:
    where = address(sandbox.client("rds"), seeded.identifier, seeded.ca_bundle)
    master = seeded.master
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
