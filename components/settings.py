"""The stack's config as typed, frozen values; whatever is wrong with it is one sentence that names the key."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import pulumi
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from foundation.errors import Refused

__all__ = ["CleanupSettings", "Credentials", "CutOverSettings", "Settings", "SourceSettings", "load"]

NAMESPACE = "rds-encrypt"

Phase = Literal["replicate", "cutover", "rollback", "cleanup"]

GuardName = Literal[
    "both-available",
    "fence-possible",
    "nobody-slips-past",
    "nothing-prepared",
    "loser-takes-writes",
    "no-long-transaction",
    "no-definition-change",
    "replication-in-reach",
    "verification-fresh",
    "winner-is-held",
    "events-and-triggers",
    "room-to-go-on",
    "record-points-here",
    "storage-is-warm",
    "no-maintenance-soon",
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Credentials(_Strict):
    """Where the master account is kept: a Secrets Manager secret, or an environment variable with the password."""

    secret_id: str | None = None
    environment: str | None = None
    username: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.secret_id is None) == (self.environment is None):
            raise ValueError("give either `secretId` or `environment`")
        return self


class DnsSettings(_Strict):
    """The Route 53 CNAME that applications use."""

    hosted_zone_id: str
    record: str


class HookSettings(_Strict):
    """Commands as lists of arguments: `before` may veto, `swap` moves applications in strategy `dns`, `after` announces."""

    before: tuple[str, ...] = ()
    swap: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class CutOverSettings(_Strict):
    """How applications move, limits in seconds, the user's commands, and the guards to overrule."""

    strategy: Literal["rename", "dns", "none"] = "rename"
    dns: DnsSettings | None = None
    hooks: HookSettings = HookSettings()
    postpone: bool = False
    max_write_outage: Annotated[int, Field(ge=5, le=3600)] = 60
    long_transaction: Annotated[int, Field(ge=1, le=86400)] = 30
    max_lag: Annotated[int, Field(ge=0, le=3600)] = 10
    force: tuple[GuardName, ...] = ()

    @model_validator(mode="after")
    def _dns_has_a_way(self) -> Self:
        if (self.dns is not None or self.hooks.swap) and self.strategy != "dns":
            raise ValueError("`dns` and `hooks.swap` go with `strategy: dns` only")
        if self.strategy == "dns" and (self.dns is None) == (not self.hooks.swap):
            raise ValueError(
                "`strategy: dns` needs either `dns` (a Route 53 record) or `hooks.swap` (a command)"
            )
        return self


class VerifySettings(_Strict):
    """How the encrypted instance is compared with the replica, for how long that counts, and what it may cost."""

    mode: Annotated[
        # To YAML an unquoted `off` may be a boolean.
        Literal["full", "sample", "counts", "off"],
        BeforeValidator(lambda value: "off" if value is False else value),
    ] = "full"
    sample: Annotated[float, Field(gt=0, le=1)] = 0.1
    max_age: Annotated[int, Field(ge=1, le=720)] = 24
    threads: Annotated[int, Field(ge=1, le=64)] = 4
    stand_still: Annotated[int, Field(ge=1, le=1440)] = 60


class CleanupSettings(_Strict):
    """What becomes of the old instance: kept running, stopped, or deleted once its backups have been replaced."""

    old: Literal["keep", "stop", "delete"] = "stop"


class SourceSettings(_Strict):
    """One instance to encrypt."""

    identifier: str
    credentials: Credentials
    kms_key: str = "alias/aws/rds"
    mode: Literal["replicate", "snapshot"] = "replicate"
    phase: Phase | None = None
    ca_file: str | None = None
    binlog_retention_hours: Annotated[int, Field(ge=1, le=168)] = 72
    catch_up_hours: Annotated[int, Field(ge=1, le=720)] = 48
    verify: VerifySettings = VerifySettings()
    cutover: CutOverSettings = CutOverSettings()
    cleanup: CleanupSettings = CleanupSettings()


class Settings(_Strict):
    """The whole stack."""

    phase: Phase = "replicate"
    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_twins(self) -> Self:
        names = [source.identifier for source in self.sources]
        if twins := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"`identifier` {', '.join(sorted(twins))} is listed twice")
        return self

    def phase_of(self, source: SourceSettings) -> Phase:
        """Return the phase of one source: its own, or the stack's."""
        return source.phase or self.phase


def load(config: pulumi.Config) -> Settings:
    """Read the stack's config.

    Raises:
        Refused: the first thing that is wrong, by its key.
    """
    values = {"phase": config.get("phase"), "sources": config.get_object("sources")}
    return parse({key: value for key, value in values.items() if value is not None})


def parse(values: dict[str, Any]) -> Settings:
    """Turn plain values into settings; see ``load``."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise _sentence(error) from None


def _sentence(error: ValidationError) -> Refused:
    first = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    key = f"{NAMESPACE}:{path}" if path else NAMESPACE
    match first["type"]:
        case "missing":
            return Refused("this key is missing", where=key, fix=f"`pulumi config set --path '{key}' …`")
        case "extra_forbidden":
            return Refused(
                "there is no such key", where=key, fix="Correct its spelling; Pulumi.yaml lists the keys"
            )
        case "value_error":
            return Refused(first["msg"].removeprefix("Value error, "), where=key)
    given = first["input"]
    shown = f" (it is {given!r})" if isinstance(given, str | int | float | bool) else ""
    return Refused(f"{_lowered(first['msg'])}{shown}", where=key, fix=f"`pulumi config set --path '{key}' …`")


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
