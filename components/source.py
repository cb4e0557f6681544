"""One source while its resources are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.backend import Owner
from components.fleet import Fleet
from rds_encrypt.access import AccessSettings
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.discovery import Topology
from rds_encrypt.existing import Existing, Group
from rds_encrypt.names import Names
from rds_encrypt.phases import Phase
from rds_encrypt.settings import SourceSettings
from rds_encrypt.state import BY_HAND

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """One source: its config, its existing resources, and the fleet that shares its stack.

    Attributes:
        settings: the source's part of the config.
        phase: how far to go.
        existing: its existing resources.
        access: how to reach its databases.
        aws: clients for look-ups while the program runs.
        owner: the stack, for the claim on the source.
        fleet: the other sources of the stack, as far as they concern this one.
    """

    settings: SourceSettings
    phase: Phase
    existing: Existing
    access: AccessSettings
    aws: Aws
    owner: Owner
    fleet: Fleet

    @property
    def topology(self) -> Topology:
        """Its instances."""
        return self.existing.topology

    @property
    def names(self) -> Names:
        """The names of everything that its migration creates."""
        return self.topology.names

    @property
    def source_id(self) -> str:
        """Its DbiResourceId."""
        return self.topology.source_id

    @property
    def key(self) -> str:
        """The ARN of the key that encrypts the copy: the config's, unless there is a copy already."""
        encrypted = self.topology.encrypted
        configured = self.existing.key.arn
        return str(encrypted.description.get("KmsKeyId", configured)) if encrypted is not None else configured

    @property
    def group_name(self) -> str:
        """The name of its owner's parameter group; empty once the source is gone."""
        return self.existing.group.name if self.existing.group else ""

    def require_group(self) -> Group:
        """Return its owner's parameter group.

        Raises:
            PreconditionFailed: the source is gone.
        """
        if self.existing.group is None:
            raise self._gone()
        return self.existing.group

    def require_instance(self) -> Instance:
        """Return the source itself.

        Raises:
            PreconditionFailed: it is gone.
        """
        if self.topology.source is None:
            raise self._gone()
        return self.topology.source

    def cutover_inputs(self) -> dict[str, Any]:
        """Return those arguments of the steps `Cutover` and `Rollback` that do not depend on other steps."""
        return {
            "identifier": self.names.source,
            "source_group": self.group_name,
            "cutover": self.settings.cutover,
            "verify": self.settings.verify,
            "accept": dict(self.settings.accept),
        }

    @property
    def may_fail_alone(self) -> bool:
        """Whether the other sources may go on when this one fails.

        Only where the phase deletes nothing: the engine deletes what is not declared, whether or not a step has failed. The state of
        one whose name has ever moved may hold a `Cutover` or a `Rollback`. And not while writes may be refused: then the whole run must
        stop.
        """
        state = self.topology.state
        return self.phase in {"replicate", "cutover"} and not (state.ever_moved or state.fenced)

    @property
    def follows_source(self) -> bool:
        """Whether settings still follow the source's; in phase `cutover`, an update could undo what the cutover did.

        In method `offline` that phase also creates group and instance, so a run completes what a killed one left, until the names
        move. Not after a rollback either: the state may know the encrypted instance by the name that the source has again.
        """
        being_made = {"replicate", "cutover"} if self.settings.method == "offline" else {"replicate"}
        return self.phase in being_made and not self.topology.state.ever_moved

    def _gone(self) -> PreconditionFailed:
        return PreconditionFailed(
            "the source no longer exists",
            where=self.names.source,
            fix=BY_HAND if self.topology.state.returning else "Set `phase` to `cleanup`",
        )
