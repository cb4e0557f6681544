"""The mark of the stack's backend: a stack of the same name in another backend is another stack."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml  # type: ignore[import-untyped] # comes with pulumi, without types

__all__ = ["Owner", "backend_mark", "backend_url", "this_stack"]

_CLOUD = "https://api.pulumi.com"
"""Where Pulumi keeps the state by default."""


@dataclass(frozen=True)
class Owner:
    """The stack that runs a migration, as ``project/stack``, and the mark of its backend."""

    stack: str
    backend: str


def this_stack() -> Owner:
    """Return the stack that runs this program."""
    return Owner(f"{pulumi.get_project()}/{pulumi.get_stack()}", backend_mark())


def backend_mark() -> str:
    """Return a digest of the backend's address and of the organisation in it: an address may name people and buckets."""
    url = backend_url(os.environ, Path.cwd() / "Pulumi.yaml")
    # The same path on two machines is two backends.
    place = platform.node() if url.startswith("file:") else ""
    return hashlib.sha256("\n".join([url, place, pulumi.get_organization()]).encode()).hexdigest()[:12]


def backend_url(environment: Mapping[str, str], project: Path) -> str:
    """Return the backend that the CLI uses; it looks in this order, and does not pass the result to the program."""
    home = Path(environment.get("PULUMI_HOME") or Path.home() / ".pulumi")
    configured = (
        environment.get("PULUMI_BACKEND_URL")
        or (_read(project).get("backend") or {}).get("url")
        # The backend that `pulumi login` has chosen; nothing else in this file is read.
        or _read(home / "credentials.json").get("current")
        or _CLOUD
    )
    url = str(configured)
    # Options of a directory say how files are written there, not which directory it is; those of a bucket may name its endpoint.
    return (url.partition("?")[0] if url.startswith("file:") else url).rstrip("/")


def _read(file: Path) -> Mapping[str, Any]:
    """Return the content of a file of Pulumi's; nothing if it is missing or cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}
