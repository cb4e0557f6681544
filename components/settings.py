"""The stack's config as typed, frozen values; an error in it is one sentence that names the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pulumi
from pulumi.runtime.config import get_config_env
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from components.complaints import complaint, stray
from components.connection_settings import ConnectionSettings, Credentials
from components.cutover_settings import CutoverSettings
from components.strict import Strict
from rds_encrypt.aws.copies import AT_ONCE
from rds_encrypt.connection import Connection
from rds_encrypt.phases import Method, Phase

__all__ = [
    "CatchUpSettings",
    "CleanupSettings",
    "ConnectionSettings",
    "Credentials",
    "CutoverSettings",
    "FleetSettings",
    "Settings",
    "SourceSettings",
    "load",
]


# To YAML an unquoted `off` may be a boolean.
_UNQUOTED_OFF = BeforeValidator(lambda value: "off" if value is False else value)


class CatchUpSettings(Strict):
    """How to make a catch-up faster."""

    relaxed: Annotated[Literal["auto", "off"], _UNQUOTED_OFF] = "auto"
    """`auto`: while the encrypted instance is far behind, it does not flush each commit to disk; rds-encrypt sets that in the parameter
    group that only this instance uses, and restores your values before the verification. Only with `verify.level: full`
    ([why it is safe](decisions/0013-durability-while-catching-up.md)). `off`: its settings stay as they are."""
    far_behind: Annotated[int, Field(ge=1, le=10_000_000)] = 1024
    """The limit for far behind: MB of binlog that it has yet to apply when it begins to follow."""


class VerifySettings(Strict):
    """How to compare the encrypted instance with the replica, for how long that counts, and what it may cost."""

    level: Annotated[Literal["full", "sample", "counts", "off"], _UNQUOTED_OFF] = "full"
    """How to compare the encrypted instance with the replica, both stopped at the same coordinates. `full`: every row. `sample`:
    some. `counts`: only the number of rows. `off`: nothing, and the cutover does not ask for it. All but `off` compare definitions."""
    sample: Annotated[float, Field(gt=0, le=1)] = 0.1
    """With `level: sample`: the share of all key ranges to compare."""
    max_age: Annotated[int, Field(ge=1, le=720)] = 24
    """Hours for which a clean verification counts; after that, the next `pulumi up` in `replicate` or `cutover` verifies again."""
    threads: Annotated[int, Field(ge=1, le=64)] = 4
    """Sessions on each of the two instances for comparing rows."""
    max_stop_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """The longest stop of both, in minutes; then they catch up before the verification goes on."""


class CleanupSettings(Strict):
    """The fate of the old instance: kept running, stopped, or deleted once its backups have been replaced."""

    old: Literal["keep", "stop", "delete"] = "stop"
    """`keep` leaves it running, `stop` stops it, `delete` deletes it (with a final snapshot, and not before its backups
    are replaced)."""


class PriceSettings(Strict):
    """AWS's prices in your region, from which the plan works out the cost of an hour."""

    instance_hour: Annotated[float, Field(ge=0, le=10_000)]
    """An hour of an instance of the source's class, in one zone."""
    storage_month: Annotated[float, Field(ge=0, le=10_000)]
    """A month of a GiB of its storage, in one zone."""
    snapshot_month: Annotated[float, Field(ge=0, le=10_000)]
    """A month of a GiB of a snapshot."""
    currency: str = "USD"
    """The currency of the three."""


class SourceSettings(Strict):
    """One instance to encrypt."""

    identifier: str
    """The DB instance identifier; with `-not-encrypted` appended, it must stay within 63 characters."""
    credentials: Credentials
    """Where the master account is."""
    kms_key: str = "alias/aws/rds"
    """Id, ARN or alias of a symmetric key in the same region."""
    method: Method = "online"
    """`offline` does without replication where downtime is acceptable: the source refuses writes from before the snapshot until
    the name has moved."""
    phase: Phase | None = None
    """How far to go with this source; by default, the stack's `phase`."""
    ca_file: str | None = None
    """Certificate authorities to trust, in PEM; by default, Amazon's bundle for RDS, which is in this repository."""
    connection: ConnectionSettings | None = None
    """How to reach this source; by default, the stack's `connection`, which this replaces as a whole."""
    binlog_retention_hours: Annotated[int, Field(ge=1, le=168)] = 72
    """How long the source keeps its binlogs during the migration. Replica, snapshot, copy, restore and catch-up must
    fit in that time."""
    catch_up_hours: Annotated[int, Field(ge=1, le=720)] = 48
    """How long to wait for the encrypted instance to catch up."""
    catch_up: CatchUpSettings = CatchUpSettings()
    verify: VerifySettings = VerifySettings()
    cutover: CutoverSettings = CutoverSettings()
    cleanup: CleanupSettings = CleanupSettings()
    prices: PriceSettings | None = None

    @property
    def relax_above(self) -> int | None:
        """MB of lag above which durability is relaxed; ``None`` if never: only a comparison of every row finds what a crash could leave."""
        allowed = self.catch_up.relaxed == "auto" and self.verify.level == "full"
        return self.catch_up.far_behind if allowed else None


class FleetSettings(Strict):
    """What the sources of a stack share."""

    copies_at_once: Annotated[int, Field(ge=1, le=AT_ONCE)] = 10
    """How many snapshots of the region may be copied at the same time; other sources wait for a copy slot. AWS allows 20 in total, and
    refuses more."""


class Settings(Strict):
    """The whole stack; Pulumi.yaml says what its keys mean."""

    phase: Phase = "replicate"
    connection: ConnectionSettings = ConnectionSettings()
    fleet: FleetSettings = FleetSettings()
    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_twins(self) -> Self:
        names = [source.identifier for source in self.sources]
        if twins := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"`identifier` {', '.join(sorted(twins))} is listed twice")
        return self

    @classmethod
    def of(cls, source: SourceSettings | Mapping[str, Any]) -> Self:
        """Return the settings of a program with one source, given as settings or as plain values.

        Raises:
            PreconditionFailed: the first error, by its key.
        """
        if isinstance(source, SourceSettings):
            return cls(sources=(source,))
        try:
            return cls.model_validate({"sources": [dict(source)]})
        except ValidationError as error:
            raise complaint(error, cls) from None

    def phase_of(self, source: SourceSettings) -> Phase:
        """Return the phase of one source: its own, or the stack's."""
        return source.phase or self.phase

    def connection_of(self, source: SourceSettings) -> Connection:
        """Return how to reach one source: its own connection, or the stack's."""
        return (source.connection or self.connection).connection()


def load(config: pulumi.Config) -> Settings:
    """Read the stack's config.

    Raises:
        PreconditionFailed: the first error, by its key.
    """
    names = (key.partition(":") for key in get_config_env())
    ours = [name for namespace, _, name in names if namespace == config.name]
    if refused := stray(ours, Settings.model_fields):
        raise refused
    values = {
        "phase": config.get("phase"),
        "connection": config.get_object("connection"),
        "fleet": config.get_object("fleet"),
        "sources": config.get_object("sources"),
    }
    return parse({key: value for key, value in values.items() if value is not None})


def parse(values: dict[str, Any]) -> Settings:
    """Turn plain values into settings; see ``load``."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise complaint(error, Settings) from None
