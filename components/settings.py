"""The stack's config as typed, frozen values; whatever is wrong with it is one sentence that names the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pulumi
from pulumi.runtime.config import get_config_env
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from components.complaints import complaint, stray
from components.words import FileForSsh, HostForSsh, ManagedInstance, UserForSsh
from rds_encrypt.aws.copies import AT_ONCE
from rds_encrypt.connection import Connection
from rds_encrypt.mysql.bastion import Bastion

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

Phase = Literal["replicate", "cutover", "rollback", "cleanup"]

CheckName = Literal[
    "instances-available",
    "fence-possible",
    "no-fence-bypass",
    "no-prepared-xa",
    "primary-writable",
    "no-long-transaction",
    "no-running-ddl",
    "replication-lag",
    "verification-fresh",
    "candidate-read-only",
    "candidate-durable",
    "events-and-triggers",
    "settings-match",
    "candidate-binlog-retention",
    "free-storage",
    "dns-record",
    "volume-initialized",
    "maintenance-window",
    "backup-window",
]


# To YAML an unquoted `off` may be a boolean.
_UNQUOTED_OFF = BeforeValidator(lambda value: "off" if value is False else value)


class _Strict(BaseModel):
    # What stands below a field is its row in docs/configuration.md (dev/tools/configuration_page.py).
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Credentials(_Strict):
    """Where the master account is kept: a Secrets Manager secret, or an environment variable with the password."""

    secret_id: str | None = None
    """Secrets Manager secret, by name or ARN: `{"username": …, "password": …}`."""
    environment: str | None = None
    """Or: the environment variable that holds the password. Exactly one of the two."""
    username: str | None = None
    """The account, if it is neither in the secret nor the instance's master user."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.secret_id is None) == (self.environment is None):
            given = "both are" if self.secret_id is not None else "neither is"
            raise ValueError(f"give either `secretId` or `environment`, and {given} given")
        return self


class SshSettings(_Strict):
    """A bastion, and how to log in there; what is not given is left to ssh's own configuration."""

    host: HostForSsh
    """With `via: ssh`: the bastion's name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Where its sshd listens."""
    user: UserForSsh | None = None
    """The account there; without it, what ssh's own configuration says."""
    key_file: FileForSsh | None = None
    """The private key; without it, those of the agent and of ssh's own configuration. ssh is never asked for a passphrase:
    a key that has one must be in the agent."""
    known_hosts_file: FileForSsh | None = None
    """A file in the form of `known_hosts` with the bastion's key; without it, ssh's own files. A key that is not in there is
    refused."""


class SsmSettings(_Strict):
    """An instance in the VPC that Systems Manager manages."""

    target: ManagedInstance
    """With `via: ssm`: the EC2 instance that reaches the databases, by its id."""


class ConnectionSettings(_Strict):
    """How the program reaches the databases."""

    via: Literal["direct", "ssh", "ssm"] = "direct"
    """How the program reaches MySQL. `direct`: on the databases' port. `ssh`: through a bastion. `ssm`: by Systems Manager,
    through an EC2 instance. [More](real-account.md#through-a-bastion)."""
    ssh: SshSettings | None = None
    ssm: SsmSettings | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        for way, given in (("ssh", self.ssh), ("ssm", self.ssm)):
            if (self.via == way) != (given is not None):
                raise ValueError(f"`via: {way}` and `{way}` go together, and only one of the two is given")
        return self

    def connection(self) -> Connection:
        """Return what sessions are opened with."""
        return Connection(
            Bastion(**self.ssh.model_dump()) if self.ssh else None, self.ssm.target if self.ssm else None
        )


class DnsSettings(_Strict):
    """The Route 53 CNAME that applications use."""

    hosted_zone_id: str
    """With `strategy: dns`: the Route 53 zone of the record that applications use."""
    record: str
    """And the record, a CNAME that points at the source."""


class HookSettings(_Strict):
    """Commands as lists of arguments: `before` may veto, `move` moves applications in strategy `dns`, `after` announces."""

    before: tuple[str, ...] = ()
    """It may veto: it runs when the checks pass, and a non-zero exit calls the cutover off."""
    move: tuple[str, ...] = ()
    """With `strategy: dns`, instead of a record: it moves applications."""
    after: tuple[str, ...] = ()
    """It runs when the new instance is open."""


class CutoverSettings(_Strict):
    """How applications move, limits in seconds, the user's commands, and the checks to overrule."""

    strategy: Literal["rename", "dns", "none"] = "rename"
    """How applications move. `rename`: the names are swapped. `dns`: a record or a command of yours is, and takes seconds.
    `none`: you move them. With `dns` and `none` the name `X` stays with the unencrypted instance."""
    dns: DnsSettings | None = None
    hooks: HookSettings = HookSettings()
    postpone: bool = False
    """Hold the cutover, checks passed, until somebody sets the tag `rds-encrypt:release` on the source; for a day at
    most."""
    max_write_outage: Annotated[int, Field(ge=5, le=3600)] = 60
    """Seconds for fence, drain and promotion together. Exceeded, the cutover is undone. AWS's renames come on top."""
    long_transaction: Annotated[int, Field(ge=1, le=86400)] = 30
    """A transaction open for more seconds than this stops the cutover before the fence."""
    max_lag: Annotated[int, Field(ge=0, le=3600)] = 10
    """Seconds that the encrypted instance may be behind before the fence closes."""
    lag_steady: Annotated[int, Field(ge=0, le=3600)] = 5
    """For so many seconds every look must find it no further behind than that: the last thing that is asked before the
    fence."""
    force: tuple[CheckName, ...] = ()
    """[Checks](concepts.md#the-checks) that may fail; the outputs say what they saw."""

    @model_validator(mode="after")
    def _dns_has_a_way(self) -> Self:
        if (self.dns is not None or self.hooks.move) and self.strategy != "dns":
            raise ValueError("`dns` and `hooks.move` go with `strategy: dns` only")
        if self.strategy == "dns" and (self.dns is None) == (not self.hooks.move):
            raise ValueError(
                "with `strategy: dns`, either a record or a command moves applications."
                " Give one of `dns` (the Route 53 record) and `hooks.move` (the command)"
            )
        return self


class CatchUpSettings(_Strict):
    """What may be done to make a catch-up faster."""

    relaxed: Annotated[Literal["auto", "off"], _UNQUOTED_OFF] = "auto"
    """`auto`: while the encrypted instance is far behind, it does not flush each commit to disk, in the parameter group that only
    it uses; your values are put back before it is verified. Only with `verify.level: full`
    ([why it is safe](decisions/0013-durability-while-catching-up.md)). `off`: its settings are not touched."""
    far_behind: Annotated[int, Field(ge=1, le=10_000_000)] = 1024
    """What is far: MB of binlog that it has yet to apply when it begins to follow."""


class VerifySettings(_Strict):
    """How the encrypted instance is compared with the replica, for how long that counts, and what it may cost."""

    level: Annotated[Literal["full", "sample", "counts", "off"], _UNQUOTED_OFF] = "full"
    """How the encrypted instance is compared with the replica, both at rest. `full`: every row. `sample`: some. `counts`:
    only how many rows there are. `off`: nothing, and the cutover does not ask for it. Definitions are compared in all
    but `off`."""
    sample: Annotated[float, Field(gt=0, le=1)] = 0.1
    """With `level: sample`: the part of all ranges of keys that is compared."""
    max_age: Annotated[int, Field(ge=1, le=720)] = 24
    """Hours for which a clean verification counts; older, the next `pulumi up` in `replicate` or `cutover` verifies again."""
    threads: Annotated[int, Field(ge=1, le=64)] = 4
    """Sessions on each of the two instances that compare rows."""
    max_stop_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """Minutes that both stand still at most; then they catch up before the verification goes on."""


class CleanupSettings(_Strict):
    """What becomes of the old instance: kept running, stopped, or deleted once its backups have been replaced."""

    old: Literal["keep", "stop", "delete"] = "stop"
    """`keep` leaves it running, `stop` stops it, `delete` deletes it (with a final snapshot, and not before its backups
    are replaced)."""


class PriceSettings(_Strict):
    """What AWS bills, for the plan to say what an hour costs; its price list has it for your region."""

    instance_hour: Annotated[float, Field(ge=0, le=10_000)]
    """An hour of an instance of the source's class, in one zone."""
    storage_month: Annotated[float, Field(ge=0, le=10_000)]
    """A month of a GiB of its storage, in one zone."""
    snapshot_month: Annotated[float, Field(ge=0, le=10_000)]
    """A month of a GiB of a snapshot."""
    currency: str = "USD"
    """In which the three are."""


class SourceSettings(_Strict):
    """One instance to encrypt."""

    identifier: str
    """The DB instance identifier; with `-not-encrypted` behind it, it must stay within 63 characters."""
    credentials: Credentials
    """Where the master account is kept."""
    kms_key: str = "alias/aws/rds"
    """Id, ARN or alias of a symmetric key in the same region."""
    method: Literal["online", "offline"] = "online"
    """`offline` does without replication where downtime is acceptable: writes are refused from before the snapshot
    until the name has moved."""
    phase: Phase | None = None
    """How far to go with this source, if not as far as the stack's `phase` says."""
    ca_file: str | None = None
    """Certificate authorities to trust, in PEM; without it, Amazon's bundle for RDS, which is in this repository."""
    connection: ConnectionSettings | None = None
    """How this source is reached, if not as the stack's `connection` says; all of it, not a part."""
    binlog_retention_hours: Annotated[int, Field(ge=1, le=168)] = 72
    """How long the source keeps its binlogs during the migration. Replica, snapshot, copy, restore and catch-up must
    fit in."""
    catch_up_hours: Annotated[int, Field(ge=1, le=720)] = 48
    """How long to wait for the encrypted instance to catch up."""
    catch_up: CatchUpSettings = CatchUpSettings()
    verify: VerifySettings = VerifySettings()
    cutover: CutoverSettings = CutoverSettings()
    cleanup: CleanupSettings = CleanupSettings()
    prices: PriceSettings | None = None

    @property
    def relax_above(self) -> int | None:
        """MB behind from which on durability is relaxed; ``None`` if never: what a crash could leave, every row is compared for."""
        allowed = self.catch_up.relaxed == "auto" and self.verify.level == "full"
        return self.catch_up.far_behind if allowed else None


class FleetSettings(_Strict):
    """What the sources of a stack share."""

    copies_at_once: Annotated[int, Field(ge=1, le=AT_ONCE)] = 10
    """How many snapshots of the region may be copied at the same time; a source waits for its turn. AWS allows 20, whoever makes
    them, and refuses more."""


class Settings(_Strict):
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
            PreconditionFailed: the first thing that is wrong, by its key.
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
        """Return how one source is reached: as it says, or as the stack says."""
        return (source.connection or self.connection).connection()


def load(config: pulumi.Config) -> Settings:
    """Read the stack's config.

    Raises:
        PreconditionFailed: the first thing that is wrong, by its key.
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
