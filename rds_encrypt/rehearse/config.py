"""The config of a rehearsal: that of the source, with the copy in the source's place, and without settings that reach beyond the copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # comes with pulumi, without types

from rds_encrypt.access import AccessSettings
from rds_encrypt.aws.clients import AwsSettings
from rds_encrypt.config_keys import group_in, keys_of
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.names import Names
from rds_encrypt.phases import Phase
from rds_encrypt.settings import PriceSettings

__all__ = ["SUFFIX", "RehearsalConfig", "read"]

SUFFIX = "-rehearsal"
"""The suffix of a copy's name; the IAM policy for rehearsals allows changes to such names only."""
_NAMESPACE = "rds-encrypt"
_ONLINE: tuple[Phase, ...] = ("replicate", "cutover", "rollback", "replicate", "cutover", "cleanup")
"""The second cutover shows that the first and its rollback left nothing behind."""
_OFFLINE: tuple[Phase, ...] = ("cutover", "cleanup")
_LEFT_OUT = ("phase", "replicas", "measured")
"""Keys of the source that mean nothing to a copy: it has no replicas, and each move sets the phase."""
_LEFT_OUT_OF_CUTOVER = ("strategy", "dns", "hooks", "postpone", "proxies")
"""Keys of `cutover` that would reach applications, records and proxies of production."""


@dataclass(frozen=True)
class RehearsalConfig:
    """The parts of a stack's config that a rehearsal needs.

    Attributes:
        source: the identifier of the instance that is to be encrypted, which the rehearsal only describes.
        aws: how to reach AWS.
        access: the account and the way to the databases; a copy has the source's accounts.
        prices: the config's prices, if it has them.
        phases: those that the copy goes through; without replication there is no rollback.
        text: the config of the rehearsal's stack, as YAML.
    """

    source: str
    aws: AwsSettings
    access: AccessSettings
    prices: PriceSettings | None
    phases: tuple[Phase, ...]
    text: str

    @property
    def names(self) -> Names:
        """The names that the copy's migration uses."""
        return Names(self.source + SUFFIX)


def read(file: Path, identifier: str) -> RehearsalConfig:
    """Read the config of a source from a stack's file.

    Raises:
        PreconditionFailed: the file cannot be read, lacks the source, or holds an encrypted value.
    """
    config = _config_in(file)
    source = _source_in(config, file, identifier)
    if secret := next(_secrets({**config, f"{_NAMESPACE}:sources": [source]}), None):
        raise PreconditionFailed(
            f"the value of `{secret}` is encrypted for its stack, so a stack of another name cannot read it",
            where=str(file),
            fix=f"Give --config a copy of the file with `{secret}` in plain, or without it",
        )
    Names.of(identifier + SUFFIX)
    copied = _copied(source, identifier + SUFFIX)
    ours = {
        **{key: value for key, value in config.items() if not key.startswith(f"{_NAMESPACE}:")},
        f"{_NAMESPACE}:phase": "replicate",
        f"{_NAMESPACE}:sources": [copied],
    }
    connection = config.get(f"{_NAMESPACE}:connection")
    if connection is not None:
        ours[f"{_NAMESPACE}:connection"] = connection
    access = {
        "connection": source.get("connection", connection) or {},
        "caFile": source.get("caFile"),
        **_mapping(source.get("credentials"), file, "credentials"),
    }
    prices = source.get("prices")
    return RehearsalConfig(
        source=identifier,
        aws=AwsSettings(region=config.get("aws:region"), profile=config.get("aws:profile")),
        access=_built(AccessSettings, access, file),
        prices=_built(PriceSettings, prices, file) if prices else None,
        phases=_OFFLINE if source.get("method") == "offline" else _ONLINE,
        text=yaml.safe_dump({"config": ours}, sort_keys=False),
    )


def _config_in(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PreconditionFailed(
            f"the file cannot be read ({error.strerror})",
            where=str(file),
            fix="Name the config file of your stack with --config",
        ) from None
    except yaml.YAMLError as error:
        raise PreconditionFailed(f"this is not YAML: {error}", where=str(file), fix="Correct it") from None
    return _mapping(_mapping(content, file, "the file").get("config"), file, "config")


def _source_in(config: Mapping[str, Any], file: Path, identifier: str) -> dict[str, Any]:
    sources = config.get(f"{_NAMESPACE}:sources")
    listed = [source for source in sources if isinstance(source, dict)] if isinstance(sources, list) else []
    for source in listed:
        if source.get("identifier") == identifier:
            return source
    known = ", ".join(str(source.get("identifier")) for source in listed)
    raise PreconditionFailed(
        f"`{_NAMESPACE}:sources` has no source {identifier}" + (f", but {known}" if known else ""),
        where=str(file),
        fix="Correct the name, or add the source to the file",
    )


def _copied(source: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the source's settings for its copy."""
    cutover = source.get("cutover") or {}
    cleanup = source.get("cleanup") or {}
    kept = {key: value for key, value in source.items() if key not in _LEFT_OUT}
    # Its deletion would wait until backups have been replaced, which takes days; the rehearsal deletes it.
    fate = "stop" if cleanup.get("old", "stop") == "delete" else cleanup.get("old", "stop")
    return {
        **kept,
        "identifier": name,
        "replicas": "leave",
        "cutover": {
            **{key: value for key, value in cutover.items() if key not in _LEFT_OUT_OF_CUTOVER},
            "strategy": "rename",
            "proxies": "leave",
        },
        "cleanup": {**cleanup, "old": fate},
    }


def _secrets(value: Any, path: str = "") -> Iterator[str]:
    """Return the paths of encrypted values."""
    if isinstance(value, Mapping):
        if "secure" in value:
            yield path
            return
        for key, inner in value.items():
            yield from _secrets(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _secrets(inner, f"{path}[{number}]")


def _built(kind: Any, values: Mapping[str, Any], file: Path) -> Any:
    """Return a group of settings made of plain values; the preview of the rehearsal validates them in full."""
    kinds = keys_of(kind)
    plain: dict[str, Any] = {}
    for key, value in values.items():
        group = group_in(kinds.get(key))
        inner = _built(group, value, file) if group is not None and isinstance(value, Mapping) else value
        plain[_field(key)] = inner
    try:
        return kind(**plain)
    except (TypeError, ValueError) as error:
        raise PreconditionFailed(
            f"the source's settings are not valid: {error}",
            where=str(file),
            fix="Run `pulumi preview` with this file, which names the key",
        ) from None


def _field(key: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


def _mapping(value: Any, file: Path, what: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise PreconditionFailed(
        f"`{what}` is not a mapping of keys and values",
        where=str(file),
        fix="See docs/configuration.md, or write a file with `python -m rds_encrypt.scan --write`",
    )
