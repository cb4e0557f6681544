"""Writes a stack config in YAML for chosen instances, complete except for the account of each."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["rendered"]

_HEAD = """\
# Written by `python -m rds_encrypt.scan`. Correct the names of the secrets; each must hold {{"username": …, "password": …}}.
# docs/configuration.md describes all keys.
config:
  aws:region: {region}
  rds-encrypt:phase: replicate
  rds-encrypt:sources:
"""
_SOURCE = """\
    - identifier: {identifier}
      kmsKey: {key}
      credentials:
        secretId: {identifier}/master
"""


def rendered(identifiers: Sequence[str], region: str, key: str) -> str:
    """Return the text of a ``Pulumi.NAME.yaml``."""
    sources = [_SOURCE.format(identifier=identifier, key=key) for identifier in identifiers]
    return _HEAD.format(region=region) + ("".join(sources) or "    []\n")
