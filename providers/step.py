"""The base of all steps: identity, difference, and the context in which a step acts.

Pulumi pickles providers by reference into the state, so these modules and classes must never be renamed, and instances hold
only what ``configure`` gives them in the provider's process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar, cast, get_args

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from providers import clean_errors
from providers.arguments import StepArgs
from providers.clients import shared_clients
from providers.progress import DONE, progress_for
from providers.width import widen
from rds_encrypt.access import Access
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.aws.inventory import AccountInventory
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Progress
from rds_encrypt.discovery import find_encrypted
from rds_encrypt.mysql.session import Session
from rds_encrypt.names import Names
from rds_encrypt.state import BY_HAND, Position, find_position, state_of

__all__ = ["HOUR", "Outputs", "Step", "StepContext", "require_no_names_moving"]

clean_errors.install()
widen()

Outputs = dict[str, Any]

A = TypeVar("A", bound=StepArgs)

HOUR = 3600.0


@dataclass(frozen=True)
class StepContext:
    """What a step acts on: AWS, the account for MySQL, and where to show progress.

    ``around`` is the account inventory, if several steps share it.
    """

    aws: Aws
    access: Access
    progress: Progress
    around: AccountInventory | None = None

    @property
    def instances(self) -> Instances:
        """The region's DB instances."""
        return Instances(self.aws)

    @contextmanager
    def session(self, resource_id: str) -> Iterator[Session]:
        """Open a session on the instance with this DbiResourceId, under any name."""
        with self.access.session(self.instances.get(resource_id)) as session:
            yield session

    def moved(self, source_id: str) -> bool:
        """Whether the name of this source has begun to move, and has not come back."""
        source = self.instances.find(source_id)
        return state_of(encrypted=find_encrypted(self.instances, source_id, source)).cutover_begun

    def usable(self, resource_id: str) -> Instance | None:
        """Return the instance if it exists and is available."""
        instance = self.instances.find(resource_id)
        return instance if instance is not None and instance.available else None


class Step(ResourceProvider, Generic[A]):
    """A step: ``perform`` checks and does what is missing, ``seen`` returns the current state, ``undo`` is the inverse.

    Attributes:
        arguments: the class that the subclass puts in for ``A``.
        identity: inputs whose change replaces the resource. Any other change is recorded but not acted on: a finished step is
            not repeated because a setting changed.
        ignored: inputs whose change is no difference at all.
        waits_for_names: whether its delete fails while a name moves, because `destroy` may delete it first, or because it holds the
            journal that completes the move.
    """

    serialize_as_secret_always = False
    _created: ClassVar[set[tuple[type, str]]] = set()
    """The steps that this process has performed, by their ids; a process serves one run."""
    arguments: ClassVar[type[StepArgs]]
    identity: ClassVar[tuple[str, ...]] = ()
    ignored: ClassVar[tuple[str, ...]] = ("urn", "__provider")
    waits_for_names: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in getattr(cls, "__orig_bases__", ()):
            (cls.arguments,) = get_args(base)

    def configure(self, req: ConfigureRequest) -> None:
        """Take the AWS settings of the stack."""
        self._settings = AwsSettings(
            region=req.config.get("aws:region"), profile=req.config.get("aws:profile")
        )

    def context(self, args: StepArgs) -> StepContext:
        """Return the context of one call."""
        return _context(shared_clients(self._settings).aws, args, mends=True)

    def context_of_checks(self, args: StepArgs) -> StepContext:
        """Return the context of a check, which shares the account inventory with other checks."""
        clients = shared_clients(self._settings)
        return replace(_context(clients.aws, args, mends=False), around=clients.around)

    def read_args(self, inputs: dict[str, Any]) -> A:
        """Return the arguments in a resource's inputs, or in its state."""
        return cast(A, self.arguments.from_inputs(inputs))

    # The parts of a step.

    def refuse(self, context: StepContext, args: A) -> list[str]:
        """Return, as sentences, why these arguments cannot work; called at preview, with what is known then."""
        return []

    def perform(self, context: StepContext, args: A) -> Outputs:
        """Check, do what is missing, check again, and return the outputs."""
        raise NotImplementedError

    def seen(self, context: StepContext, args: A) -> Outputs | None:
        """Return the outputs that are different now, or ``None`` if the step's effect is gone."""
        return {}

    def undo(self, context: StepContext, args: A) -> None:
        """Do the inverse if that is safe now; otherwise nothing."""

    def carry_out(self, inputs: dict[str, Any]) -> Outputs:
        """Perform the step, then clear its progress message."""
        args = self.read_args(inputs)
        context = self.context(args)
        outputs = self.perform(context, args)
        context.progress(DONE)
        return outputs

    # What Pulumi calls.

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse inputs that cannot work."""
        args = self.read_args(news)
        failures = [
            CheckFailure("", sentence) for sentence in self.refuse(self.context_of_checks(args), args)
        ]
        return CheckResult(news, failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare the inputs that matter."""
        changed = {
            key
            for key, value in _news.items()
            if key not in self.ignored and value is not None and _olds.get(key) != value
        }
        replaces = sorted(changed & set(self.identity))
        return DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=bool(replaces))

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Perform the step."""
        outputs = {**props, **self.carry_out(props)}
        id_ = ":".join(str(props[key]) for key in self.identity)
        self._created.add((type(self), id_))
        return CreateResult(id_, outputs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read the current state of the step's effect."""
        args = self.read_args(props)
        outputs = self.seen(self.context(args), args)
        return ReadResult(id_, {**props, **outputs}) if outputs is not None else ReadResult("", {})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Record the new inputs; keep the old outputs."""
        return UpdateResult({**_olds, **_news})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Undo the step, unless this run has just performed it: with `--replace`, Pulumi deletes the former one afterwards."""
        if (type(self), _id) in self._created:
            return
        args = self.read_args(_props)
        context = self.context(args)
        if self.waits_for_names:
            require_no_names_moving(context, args)
        self.undo(context, args)
        context.progress(DONE)


def _context(aws: Aws, args: StepArgs, *, mends: bool) -> StepContext:
    return StepContext(aws, Access(aws, args.access, mends=mends), progress_for(args.urn))


def require_no_names_moving(context: StepContext, args: StepArgs) -> None:
    """Refuse to delete a step while a name moves: without tags and steps no run could complete the move.

    Raises:
        ActionRequired: a cutover or a rollback has passed its point of no return, and is not complete.
    """
    source = context.instances.find(args.source_id)
    encrypted = find_encrypted(context.instances, args.source_id, source)
    if encrypted is None:
        return
    names = args.names or _names_of(source, encrypted)
    position = find_position(context.aws, names, encrypted, source)
    phase = position.phase_under_way
    if phase is None:
        return
    if source is None:
        phase = "cleanup"
    way_out = f"Run `pulumi up` in phase `{phase}`, with the source in `sources`, which completes the move"
    if source is None and position is Position.RETURNING:
        way_out = BY_HAND
    raise ActionRequired(
        f"its name is moving between two instances ({encrypted.identifier} is the encrypted one), so rds-encrypt deletes nothing now",
        where=source.identifier if source is not None else names.source,
        fix=f"{way_out}, then `pulumi destroy`",
        safe="No write is lost meanwhile",
    )


def _names_of(source: Instance | None, encrypted: Instance) -> Names:
    """Derive the names of a migration from either instance's name."""
    for instance, suffix in ((source, "-old"), (encrypted, "-encrypted")):
        if instance is not None and instance.identifier.endswith(suffix):
            return Names(instance.identifier.removesuffix(suffix))
    return Names(source.identifier if source is not None else encrypted.identifier)
