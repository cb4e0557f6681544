"""Runs a program for a process that may end at any moment: `supervisor.py DIRECTORY PROGRAM ARGUMENT…`.

The starting process holds the supervisor's standard input open. When that closes, even after a ``kill -9``, the supervisor ends
the program and removes the directory. (A parent-death signal would come when the *thread* ends that started the program.) File
``said`` has the program's output; file ``ended`` exists once the program has ended.
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
    """Start the program, wait for the end of standard input, end the program, remove the directory."""
    directory, *command = sys.argv[1:]
    output = Path(directory, "said")
    ended = Path(directory, "ended")
    with output.open("wb") as out:
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
            watcher.join()  # it must not create a file in a directory that is being removed
    shutil.rmtree(directory, ignore_errors=True)


def _note_the_end(program: subprocess.Popen[bytes], ended: Path) -> None:
    program.wait()
    ended.touch()


def _end(program: subprocess.Popen[bytes]) -> None:
    # An interrupt, after which the programs that rds-encrypt starts clean up.
    program.send_signal(signal.SIGINT)
    try:
        program.wait(_GRACE)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


if __name__ == "__main__":
    main()
