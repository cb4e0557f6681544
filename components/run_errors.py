"""Errors as Pulumi shows them: one sentence, without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pulumi

from rds_encrypt.core.errors import MigrationError

__all__ = ["as_run_errors"]


@contextmanager
def as_run_errors() -> Iterator[None]:
    """Raise the library's errors as errors of the program's run."""
    try:
        yield
    except MigrationError as error:
        raise pulumi.RunError(str(error)) from error
