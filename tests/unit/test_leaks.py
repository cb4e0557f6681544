"""The search for secrets finds what is planted, in every form; it would be worth nothing otherwise."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.leaks import contents, leaks, watching_processes

SECRET = "it's-a/Secret+Päss\"word1"
NAMED = {"the master password": SECRET}


@pytest.mark.parametrize(
    ("how", "planted"),
    [
        ("plain", SECRET.encode()),
        ("plain", pickle.dumps({"password": SECRET})),
        ("base64", base64.b64encode(pickle.dumps({"account": ("admin", SECRET)}))),
        ("base64", base64.urlsafe_b64encode(f"admin:{SECRET}".encode())),
        ("JSON", json.dumps({"password": SECRET}).encode()),
        ("percent-encoded", f"mysql://admin:{quote(SECRET, safe='')}@db".encode()),
        ("hexadecimal", SECRET.encode().hex().encode()),
        ("UTF-16", SECRET.encode("utf-16-le")),
    ],
)
def test_a_planted_secret_is_found(tmp_path: Path, how: str, planted: bytes) -> None:
    (tmp_path / "state.json").write_bytes(b"{ some state " + planted + b" and more }")

    findings = leaks(NAMED, contents(tmp_path))

    assert f"the master password, {how}, in {tmp_path / 'state.json'}" in findings
    assert SECRET not in "".join(findings)


def test_a_secret_in_a_compressed_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "state.json.gz").write_bytes(gzip.compress(SECRET.encode()))
    assert leaks(NAMED, contents(tmp_path))


def test_what_holds_no_secret_is_clean(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"password": "***", "note": "it\'s a secret"}', encoding="utf-8")
    assert leaks(NAMED, contents(tmp_path)) == []


@given(st.binary(max_size=9), st.text("abcdefXYZ0189-_", min_size=12, max_size=32), st.binary(max_size=9))
def test_base64_is_seen_through_wherever_the_secret_begins(before: bytes, secret: str, after: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode() + after)
    assert leaks({"it": secret}, [("state", encoded)])


def test_a_secret_on_a_command_line_is_found() -> None:
    with watching_processes() as processes:
        program = [sys.executable, "-c", "import time; time.sleep(30)", f"--password={SECRET}"]
        process = subprocess.Popen(program)
        try:
            deadline = time.monotonic() + 10
            while not leaks(NAMED, processes.seen) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
    assert f"the master password, plain, in the process {sys.executable}" in leaks(NAMED, processes.seen)
