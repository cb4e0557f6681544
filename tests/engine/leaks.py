"""Looking for secrets in everything that a run leaves behind, in whatever form they may have been written."""

from __future__ import annotations

import base64
import gzip
import html
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

__all__ = ["Processes", "contents", "forms", "leaks", "watching_processes"]

_LOOK_EVERY = 0.1


def forms(secret: str) -> dict[bytes, str]:
    """Return the forms in which a secret may occur in a file, each with its name.

    Pickles hold text as it is, so they need no form of their own; a pickle in base64 does, wherever in it the secret begins.
    """
    plain = secret.encode()
    names = {plain: "plain"}
    for form, name in (
        (secret.encode("utf-16-le"), "UTF-16"),
        (plain.hex().encode(), "hexadecimal"),
        (plain.hex().upper().encode(), "hexadecimal"),
        (quote(secret, safe="").encode(), "percent-encoded"),
        (html.escape(secret).encode(), "HTML"),
        (json.dumps(secret)[1:-1].encode(), "JSON"),
        (repr(secret)[1:-1].encode(), "repr"),
    ):
        names.setdefault(form, name)
    for part in _base64_parts(plain):
        names.setdefault(part, "base64")
        names.setdefault(part.translate(bytes.maketrans(b"+/", b"-_")), "base64")
    return {form: name for form, name in names.items() if len(form) >= 8}


def _base64_parts(plain: bytes) -> Iterator[bytes]:
    """The characters that are the same whatever stands around it, for each of the three places where it may begin."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        first = (0, 2, 3)[before]
        last = (0, -3, -2)[(before + len(plain)) % 3] or None
        yield encoded[first:last]


def leaks(secrets: Mapping[str, str], things: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return which secret occurs where, in which form; never the secret itself."""
    patterns = [(name, form, how) for name, secret in secrets.items() for form, how in forms(secret).items()]
    return sorted(
        {
            f"{name}, {how}, in {where}"
            for where, content in things
            for name, form, how in patterns
            if form in content
        }
    )


def contents(*roots: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below the roots with its content, decompressed if it is compressed."""
    for root in roots:
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                raw = path.read_bytes()
                yield str(path), gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


class Processes:
    """The command lines that were seen while somebody watched."""

    def __init__(self) -> None:
        self._command_lines: set[bytes] = set()
        self._over = threading.Event()

    @property
    def seen(self) -> Iterable[tuple[str, bytes]]:
        return [
            (f"the process {line.split()[0].decode(errors='replace')}", line)
            for line in self._command_lines.copy()
        ]

    def watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = entry.read_bytes().replace(b"\0", b" ").strip()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if line:
                    self._command_lines.add(line)

    def stop(self) -> None:
        self._over.set()


@contextmanager
def watching_processes() -> Iterator[Processes]:
    """Record every command line on this machine for the length of a ``with`` block."""
    processes = Processes()
    thread = threading.Thread(target=processes.watch, daemon=True)
    thread.start()
    try:
        yield processes
    finally:
        processes.stop()
        thread.join(5)
