"""Runs a program for a process that may end at any moment: `supervisor.py DIRECTORY PROGRAM ARGUMENT…`.

Whoever starts it holds its standard input open. When that ends, for whatever reason, a ``kill -9`` too, the program is
ended and the directory goes. (A parent-death signal would come when the *thread* ends that started the program.) What the
program prints is in ``said``; ``ended`` is there from when it ends by itself.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

_GRACE = 5.0


def main() -> None:
    """Start the program, wait for the end of standard input, end the program, clear away."""
    directory, *command = sys.argv[1:]
    said = Path(directory, "said")
    ended = Path(directory, "ended")
    with said.open("wb") as out:
        try:
            program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        except OSError as error:
            out.write(str(error).encode())
            out.flush()
            ended.touch()
            sys.stdin.buffer.read()
        else:
            watcher = threading.Thread(target=_note_the_end, args=(program, ended))
            watcher.start()
            sys.stdin.buffer.read()
            _end(program)
            watcher.join()  # it must not put a file where everything is being removed
    shutil.rmtree(directory, ignore_errors=True)


def _note_the_end(program: subprocess.Popen[bytes], ended: Path) -> None:
    program.wait()
    ended.touch()


def _end(program: subprocess.Popen[bytes]) -> None:
    # An interrupt, since that is what the programs clear up after that we start.
    program.send_signal(signal.SIGINT)
    try:
        program.wait(_GRACE)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


if __name__ == "__main__":
    main()
