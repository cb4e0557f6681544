"""The settings of a migration: one frozen class for each group of keys, from the config down to the steps and the library.

Defaults and limits stand here alone. Limits are metadata of `annotated_types`; components/settings.py lets pydantic apply them. The
docstring below a field is its row in docs/configuration.md. A rule between several keys is in ``__post_init__``. The state holds some of
these groups, so a later rule, like a later key, must not refuse what an older state holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal

from annotated_types import Ge, Gt, Le, MinLen, Predicate

from rds_encrypt.config_keys import key_of
from rds_encrypt.phases import Method, Phase

__all__ = [
    "HOST",
    "MOST_COPIES",
    "CatchUpSettings",
    "CleanupSettings",
    "ConnectionSettings",
    "CredentialSettings",
    "CutoverSettings",
    "DnsSettings",
    "Fate",
    "FleetSettings",
    "HookSettings",
    "MeasuredSettings",
    "PriceSettings",
    "ReplicaSettings",
    "Settings",
    "SourceSettings",
    "SshSettings",
    "SsmSettings",
    "StrategyName",
    "VerifySettings",
]

StrategyName = Literal["rename", "dns", "none"]
"""A strategy of the cutover, as the config names it."""
Fate = Literal["keep", "stop", "delete"]
"""What phase `cleanup` does with the old instance."""
HOST: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|[0-9A-Fa-f:]{2,39}"
"""Names and addresses that do not begin like an option and contain nothing special to a shell or to ssh."""
MOST_COPIES: Final = 20
"""Copies to a region that an account may have in progress ("Copying a DB snapshot", Amazon RDS User Guide)."""


class _Group:
    """A group of keys of the config, which refuses a key that it does not have."""

    SHORT: ClassVar[str | None] = None
    """The key that a plain word in place of the group stands for, if there is one."""
    # Read by pydantic, if that validates: also what a program gives as an instance is validated.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "alias_generator": key_of,
        "populate_by_name": True,
        "revalidate_instances": "always",
    }


def _fits(pattern: str, kind: str) -> Predicate:
    """Return a limit for a value that goes to another program: there, it must not look like an option or mean something special."""

    def fits(value: str) -> bool:
        # Raised, because pydantic has no sentence for a predicate that returns false.
        if not re.fullmatch(pattern, value):
            raise ValueError(f"this is not {kind} (it is {value!r})")
        return True

    return Predicate(fits)


_FileForSsh = Annotated[
    str,
    _fits(
        r"""(~/)?[^-~\x00-\x1f\x7f"\\$][^\x00-\x1f\x7f"\\$]*""",
        "a path for ssh: it must not begin with a dash, or with `~` except `~/`, nor contain double quotes, backslashes, dollar signs or control characters",
    ),
]


@dataclass(frozen=True)
class CredentialSettings(_Group):
    """Where the master account is: a Secrets Manager secret, or an environment variable with the password."""

    secret_id: str | None = None
    """Secrets Manager secret, by name or ARN: `{"username": …, "password": …}`."""
    environment: str | None = None
    """Alternatively, the environment variable that holds the password. Set exactly one of the two."""
    username: str | None = None
    """The account, if the secret does not name it and it is not the instance's master user."""

    def __post_init__(self) -> None:
        if (self.secret_id is None) == (self.environment is None):
            given = "both are" if self.secret_id is not None else "neither is"
            raise ValueError(f"give exactly one of `secretId` and `environment`; {given} set")


@dataclass(frozen=True)
class SshSettings(_Group):
    """A bastion, and how to log in there; ssh's own configuration decides what is not set."""

    host: Annotated[str, _fits(HOST, "a host name or address")]
    """With `via: ssh`: the bastion's name or address."""
    port: Annotated[int, Ge(1), Le(65535)] | None = None
    """The port on which its sshd listens; by default, ssh's own configuration decides."""
    user: Annotated[str, _fits(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}", "an account name")] | None = None
    """The account there; by default, ssh's own configuration decides."""
    key_file: _FileForSsh | None = None
    """The private key; by default, those of the agent and of ssh's own configuration. ssh never prompts: a key with a passphrase
    must be in the agent."""
    known_hosts_file: _FileForSsh | None = None
    """A `known_hosts` file with the bastion's key; by default, ssh's own files. ssh refuses a key that the file does not have."""

    def __str__(self) -> str:
        return f"bastion {self.host}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True)
class SsmSettings(_Group):
    """An EC2 instance in the VPC that Systems Manager manages."""

    target: Annotated[str, _fits(r"m?i-[0-9a-f]{8,17}", "an instance id (`i-…` or `mi-…`)")]
    """With `via: ssm`: the id of the EC2 instance that reaches the databases."""


@dataclass(frozen=True)
class ConnectionSettings(_Group):
    """How rds-encrypt reaches the databases."""

    via: Literal["direct", "ssh", "ssm"] = "direct"
    """How rds-encrypt reaches MySQL. `direct`: on the databases' port. `ssh`: through a bastion. `ssm`: through an EC2 instance,
    with Systems Manager. [More](real-account.md#through-a-bastion)."""
    ssh: SshSettings | None = None
    ssm: SsmSettings | None = None

    def __post_init__(self) -> None:
        for way, given in (("ssh", self.ssh), ("ssm", self.ssm)):
            if (self.via == way) != (given is not None):
                raise ValueError(f"`via: {way}` and `{way}` go together; only one of the two is set")


@dataclass(frozen=True)
class CatchUpSettings(_Group):
    """How to make a catch-up faster."""

    relaxed: Literal["auto", "off"] = "auto"
    """`auto`: while the encrypted instance is far behind, it does not flush each commit to disk; rds-encrypt sets that in the parameter
    group that only this instance uses, and restores your values before the verification. Only with `verify.level: full`
    ([why it is safe](decisions/0013-durability-while-catching-up.md)). `off`: its settings stay as they are."""
    far_behind: Annotated[int, Ge(1), Le(10_000_000)] = 1024
    """The limit for far behind: MB of binlog that it has yet to apply when it begins to follow."""


@dataclass(frozen=True)
class VerifySettings(_Group):
    """How to compare the encrypted instance with the replica, for how long that counts, and what it may cost."""

    level: Literal["full", "sample", "counts", "off"] = "full"
    """How to compare the encrypted instance with the replica, both stopped at the same coordinates. `full`: every row. `sample`:
    some. `counts`: only the number of rows. `off`: nothing, and the cutover does not ask for it. All but `off` compare definitions."""
    sample: Annotated[float, Gt(0), Le(1)] = 0.1
    """With `level: sample`: the share of all key ranges to compare."""
    max_age: Annotated[int, Ge(1), Le(720)] = 24
    """Hours for which a clean verification counts; after that, the next `pulumi up` in `replicate` or `cutover` verifies again."""
    threads: Annotated[int, Ge(1), Le(64)] = 4
    """Sessions on each of the two instances for comparing rows."""
    max_stop_minutes: Annotated[int, Ge(1), Le(1440)] = 60
    """The longest stop of both, in minutes; then they catch up before the verification goes on."""


@dataclass(frozen=True)
class DnsSettings(_Group):
    """The Route 53 CNAME that applications use."""

    hosted_zone_id: str
    """With `strategy: dns`: the Route 53 zone of the record that applications use."""
    record: str
    """The record, a CNAME that points at the source."""


@dataclass(frozen=True)
class HookSettings(_Group):
    """Commands as lists of arguments: `before` may veto, `move` moves applications in strategy `dns`, `after` announces."""

    before: tuple[str, ...] = ()
    """Runs when the checks pass; a non-zero exit vetoes the cutover."""
    move: tuple[str, ...] = ()
    """With `strategy: dns`, instead of a record: moves applications."""
    after: tuple[str, ...] = ()
    """Runs when the new instance is open."""


@dataclass(frozen=True)
class CutoverSettings(_Group):
    """How applications move, limits in seconds, and your commands."""

    strategy: StrategyName = "rename"
    """How applications move. `rename`: AWS exchanges the names, which takes minutes. `dns`: a record or your command moves them, in
    seconds. `none`: you move them. With `dns` and `none` the unencrypted instance keeps the name `X`."""
    dns: DnsSettings | None = None
    hooks: HookSettings = HookSettings()
    proxies: Literal["follow", "leave"] = "follow"
    """`follow`: once production has moved, each RDS Proxy that had the source as its target uses the encrypted instance; `leave`: you
    move them."""
    postpone: bool = False
    """Hold the cutover, once its checks pass, until you set the tag `rds-encrypt:release` on the source; for a day at most."""
    max_write_outage: Annotated[int, Ge(5), Le(3600)] = 60
    """Seconds for fence, drain and promotion together; beyond that, rds-encrypt undoes the cutover. AWS's renames come on top."""
    long_transaction: Annotated[int, Ge(1), Le(86400)] = 30
    """A transaction open for more seconds than this stops the cutover before the fence closes."""
    max_lag: Annotated[int, Ge(0), Le(3600)] = 10
    """Seconds that the encrypted instance may be behind before the fence closes."""
    lag_steady: Annotated[int, Ge(0), Le(3600)] = 5
    """Seconds for which the lag must stay within `maxLag`: the last check before the fence closes."""

    def __post_init__(self) -> None:
        if (self.dns is not None or self.hooks.move) and self.strategy != "dns":
            raise ValueError("`dns` and `hooks.move` go with `strategy: dns` only")
        if self.strategy == "dns" and (self.dns is None) == (not self.hooks.move):
            raise ValueError(
                "`strategy: dns` moves applications by a record or by a command. Give exactly one of `dns` (the Route 53 record) and `hooks.move` (the command)"
            )


ReplicaFate = Literal["take", "leave"]
"""What happens to a read replica of the source."""


@dataclass(frozen=True)
class ReplicaSettings(_Group):
    """Which read replicas of the source come along, and when; `replicas: leave` is short for `replicas: {default: leave}`."""

    SHORT: ClassVar[str | None] = "default"

    default: ReplicaFate = "take"
    """`take` gives each read replica of the source, and each replica of one that comes along, an encrypted counterpart, which takes over
    its readers after the source's cutover; `leave` leaves it with the old instance. Method `offline` leaves them all."""
    overrides: Mapping[str, ReplicaFate] = field(default_factory=dict)
    """The same for single replicas, by their names: `{orders-r2: leave}`. Once its readers have moved, `leave` is final for a replica."""
    order: Literal["one-by-one", "together"] = "one-by-one"
    """`one-by-one` moves the readers of one replica at a time, so that the others still serve; `together` moves all at once, but those of
    replicas of replicas after the others."""
    reads_first: bool = False
    """Move the readers already in phase `replicate`, so that the encrypted side proves itself before writes move."""
    records: Mapping[str, DnsSettings] = field(default_factory=dict)
    """With strategy `dns` or `none`, by the name of a replica: the CNAME that its readers use."""

    def __post_init__(self) -> None:
        records = [record.record.rstrip(".").lower() for record in self.records.values()]
        if twins := sorted({record for record in records if records.count(record) > 1}):
            raise ValueError(f"`records` has {', '.join(twins)} for more than one replica")

    def take(self, name: str) -> bool:
        """Return whether the replica of this name comes along."""
        return self.overrides.get(name, self.default) == "take"


@dataclass(frozen=True)
class CleanupSettings(_Group):
    """The fate of the old instance: kept running, stopped, or deleted once its backups have been replaced."""

    old: Fate = "stop"
    """`keep` leaves it running, `stop` stops it, `delete` deletes it (with a final snapshot, and not before its backups
    are replaced)."""


@dataclass(frozen=True)
class PriceSettings(_Group):
    """AWS's prices in your region, from which the plan works out the cost of an hour."""

    instance_hour: Annotated[float, Ge(0), Le(10_000)]
    """An hour of an instance of the source's class, in one zone."""
    storage_month: Annotated[float, Ge(0), Le(10_000)]
    """A month of a GiB of its storage, in one zone."""
    snapshot_month: Annotated[float, Ge(0), Le(10_000)]
    """A month of a GiB of a snapshot."""
    currency: str = "USD"
    """The currency of the three."""


_Seconds = Annotated[float, Ge(0), Le(604_800)]


@dataclass(frozen=True)
class MeasuredSettings(_Group):
    """Seconds that AWS's operations took in a rehearsal, which the plan shows in place of its estimates."""

    on: date
    """The day of the rehearsal, such as `"2026-12-03"`."""
    replica: _Seconds | None = None
    """Creating the replica."""
    snapshot: _Seconds | None = None
    """The snapshot of the replica; with `method: offline`, of the source."""
    copy: _Seconds | None = None
    """The encrypted copy of that snapshot."""
    restore: _Seconds | None = None
    """Restoring the encrypted instance from it."""
    rename: _Seconds | None = None
    """One rename."""
    stop: _Seconds | None = None
    """Stopping an instance."""
    delete: _Seconds | None = None
    """Deleting an instance."""


@dataclass(frozen=True)
class SourceSettings(_Group):
    """One instance to encrypt."""

    identifier: str
    """The DB instance identifier; with `-not-encrypted` appended, it must stay within 63 characters."""
    credentials: CredentialSettings
    """Where the master account is."""
    kms_key: str = "alias/aws/rds"
    """Id, ARN or alias of a symmetric key in the same region. Once a copy exists, a change has no effect: end the migration first."""
    method: Method = "online"
    """`offline` does without replication where downtime is acceptable: the source refuses writes from before the snapshot until
    the name has moved."""
    phase: Phase | None = None
    """How far to go with this source; by default, the stack's `phase`."""
    ca_file: str | None = None
    """Certificate authorities to trust, in PEM; by default, Amazon's bundle for RDS, which is in this repository."""
    connection: ConnectionSettings | None = None
    """How to reach this source; by default, the stack's `connection`, which this replaces as a whole."""
    binlog_retention_hours: Annotated[int, Ge(1), Le(168)] = 72
    """How long the source keeps its binlogs during the migration. Replica, snapshot, copy, restore and catch-up must
    fit in that time."""
    catch_up_hours: Annotated[int, Ge(1), Le(720)] = 48
    """How long to wait for the encrypted instance to catch up."""
    catch_up: CatchUpSettings = CatchUpSettings()
    replicas: ReplicaSettings = ReplicaSettings()
    verify: VerifySettings = VerifySettings()
    cutover: CutoverSettings = CutoverSettings()
    cleanup: CleanupSettings = CleanupSettings()
    prices: PriceSettings | None = None
    measured: MeasuredSettings | None = None
    accept: Mapping[str, Annotated[str, MinLen(1)]] = field(default_factory=dict)
    """[Checks](concepts.md#the-checks) that need not pass, each with your reason: a blocking finding becomes a warning, a warning a
    note. Plan, outputs and report quote the reason. A check of scope *every run* cannot be accepted."""

    def __post_init__(self) -> None:
        records = self.replicas.records.values()
        if self.cutover.dns is not None and self.cutover.dns.record in {record.record for record in records}:
            raise ValueError(
                f"`replicas.records` has {self.cutover.dns.record}, which is the record of the source (`cutover.dns`)"
            )
        if self.replicas.records and self.cutover.strategy == "rename":
            raise ValueError(
                "`replicas.records` goes with `strategy: dns` or `none`; with `rename`, the names of the replicas move"
            )

    @property
    def relax_above(self) -> int | None:
        """MB of lag above which durability is relaxed; ``None`` if never: only a comparison of every row finds what a crash could leave."""
        allowed = self.catch_up.relaxed == "auto" and self.verify.level == "full"
        return self.catch_up.far_behind if allowed else None


@dataclass(frozen=True)
class FleetSettings(_Group):
    """What the sources of a stack share."""

    copies_at_once: Annotated[int, Ge(1), Le(MOST_COPIES)] = 10
    """How many snapshots of the region may be copied at the same time; other sources wait for a copy slot. AWS allows 20 in total, and
    refuses more."""


@dataclass(frozen=True, kw_only=True)
class Settings(_Group):
    """The whole stack; Pulumi.yaml says what its keys mean."""

    phase: Phase = "replicate"
    connection: ConnectionSettings = ConnectionSettings()
    fleet: FleetSettings = FleetSettings()
    sources: Annotated[tuple[SourceSettings, ...], MinLen(1)]

    def __post_init__(self) -> None:
        names = [source.identifier for source in self.sources]
        if twins := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"`identifier` {', '.join(sorted(twins))} is listed twice")

    def phase_of(self, source: SourceSettings) -> Phase:
        """Return the phase of one source: its own, or the stack's."""
        return source.phase or self.phase

    def connection_of(self, source: SourceSettings) -> ConnectionSettings:
        """Return how to reach one source: its own connection, or the stack's."""
        return source.connection or self.connection
