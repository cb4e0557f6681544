"""Pulumi's policy SDK for tests: beside the environment, since its pins of protobuf and ours exclude each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["packages"]

ROOT = Path(__file__).resolve().parents[2]
_TARGET = ROOT / ".cache" / "policy"


def packages() -> Path:
    """Return the directory for PYTHONPATH; filled on first use with what examples/policy-pack/requirements.txt pins."""
    pinned = next(
        line
        for line in (ROOT / "examples" / "policy-pack" / "requirements.txt")
        .read_text(encoding="utf-8")
        .splitlines()
        if line.startswith("pulumi-policy==")
    )
    stamp = _TARGET / f"{pinned}.stamp"
    if not stamp.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]
        subprocess.run([*command, str(_TARGET), pinned], check=True, timeout=120)
        stamp.touch()
    return _TARGET
