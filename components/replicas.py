"""The owner's replicas that come along: their encrypted counterparts, and the steps that move their readers, in an order that RDS allows.

RDS turns a replica whose source is deleted into an independent instance. So undo and retirement begin with the replicas of replicas.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from components.instances import AwsResources
from components.source import Source
from components.steps import Steps
from rds_encrypt.replica_pairs import ReplicaPair

__all__ = ["Replicas"]


class Replicas:
    """Declares the encrypted counterparts of one source's replicas.

    Args:
        source: the source.
        resources: declares AWS's resources.
        primary: the name of the encrypted instance.
        after: what comes before the counterparts.
    """

    def __init__(
        self,
        source: Source,
        resources: AwsResources,
        primary: pulumi.Input[str],
        after: list[pulumi.Resource],
    ) -> None:
        self._source = source
        self._made: dict[str, aws.rds.Instance] = {}
        for pair in source.existing.replicas:
            follows, before = primary, after
            if pair.above is not None:
                follows, before = self._name_of(pair.above), [*after, self._made[pair.above.name]]
            self._made[pair.name] = resources.encrypted_replica(pair, follows, before)

    @property
    def made(self) -> list[pulumi.Resource]:
        """The counterparts."""
        return list(self._made.values())

    def _name_of(self, pair: ReplicaPair) -> pulumi.Input[str]:
        """Return the counterpart's name; the one in the state may be old."""
        return pair.encrypted.identifier if pair.encrypted is not None else self._made[pair.name].identifier

    def move_readers(
        self, steps: Steps, encrypted_id: pulumi.Input[str], last: pulumi.Resource
    ) -> tuple[list[pulumi.Resource], dict[str, dict[str, pulumi.Output[Any]]]]:
        """Declare that the readers move after ``last``, one after the other or together; return all these steps and their outputs.

        The engine undoes in the opposite order, so replicas of replicas come last. In phase `cleanup` nothing is undone, because the
        encrypted instance carries production, but the steps delete the old replicas: there, replicas of replicas come first.
        """
        pairs = self._source.existing.replicas
        levels = [[pair for pair in pairs if (pair.above is not None) == deeper] for deeper in (False, True)]
        if self._source.phase == "cleanup":
            levels.reverse()
        done: list[pulumi.Resource] = [last]
        served: dict[str, dict[str, pulumi.Output[Any]]] = {}
        for level in levels:
            earlier = list(done)
            for pair in level:
                before = done[-1:] if self._source.settings.replicas.order == "one-by-one" else earlier
                above_id = self._made[pair.above.name].id if pair.above is not None else None
                replica = self._made[pair.name]
                step = steps.replica_names(pair, replica.id, above_id, encrypted_id, [replica, *before])
                done.append(step)
                served[pair.name] = {"serves": step.serves, "old_clients": step.old_clients}
        return done, served
