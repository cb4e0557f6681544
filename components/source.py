"""One source while its resources are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.backend import Owner
from components.fleet import Fleet
from components.settings import Phase, SourceSettings
from rds_encrypt import journal
from rds_encrypt.access import AccessSettings
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instances import Instance
from rds_encrypt.core.errors import PreconditionFailed
from rds_encrypt.discovery import Topology
from rds_encrypt.existing import Existing, Group
from rds_encrypt.names import Names

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """What the config says of one source, what there is, and who shares the stack with it.

    Attributes:
        settings: the source's part of the config.
        phase: how far to go.
        existing: what there is.
        access: how its databases are reached.
        aws: clients for looking closer while the program runs.
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
        """The names of all that its migration makes."""
        return self.topology.names

    @property
    def source_id(self) -> str:
        """Its DbiResourceId."""
        return self.topology.source_id

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
        """Return what the steps `Cutover` and `Rollback` take from the config."""
        return {
            "identifier": self.names.source,
            "source_group": self.group_name,
            "cutover": self.settings.cutover.model_dump(mode="json", exclude_none=True),
            "verify": self.settings.verify.model_dump(mode="json"),
        }

    @property
    def may_fail_alone(self) -> bool:
        """Whether others may go on when this phase is refused to this source.

        Only where the phase takes nothing away: what is not declared, the engine deletes, whether or not a step has failed. And not
        when writes may be refused, or a name is on the way: that is everybody's business.
        """
        topology = self.topology
        under_way = topology.cutover_begun or topology.fenced or topology.returning
        return self.phase in {"replicate", "cutover"} and not under_way

    @property
    def follows_source(self) -> bool:
        """Whether settings still follow the source's; once a cutover is wanted, an update could undo what it did.

        In method `offline` that phase is also the one that makes group and instance: what a killed run left of them is completed
        until the names move. Not after a rollback either: the state may call the encrypted instance by the name that the source
        has again.
        """
        encrypted = self.topology.encrypted
        moved = encrypted is not None and {journal.CUTOVER_BEGAN, journal.ROLLED_BACK} & encrypted.tags.keys()
        being_made = {"replicate", "cutover"} if self.settings.method == "offline" else {"replicate"}
        return self.phase in being_made and not moved

    def _gone(self) -> PreconditionFailed:
        return PreconditionFailed(
            "the source does not exist any more", where=self.names.source, fix="Set `phase` to `cleanup`"
        )
