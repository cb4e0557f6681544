"""What the migrations of a program share: settings, AWS clients, what exists, and the processes that carry out steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from weakref import WeakKeyDictionary

import pulumi

from components.backend import Owner, this_stack
from components.fleet import Fleet, fleet_of
from components.source import Source
from components.workers import Workers
from rds_encrypt.access import AccessSettings
from rds_encrypt.aws.clients import Aws, AwsSettings
from rds_encrypt.existing import Existing, look_up
from rds_encrypt.settings import Settings, SourceSettings

__all__ = ["Stack"]

_workers: WeakKeyDictionary[pulumi.Resource, Workers] = WeakKeyDictionary()
"""By the stack, which may declare each worker only once, however many migrations it has."""


@dataclass(frozen=True)
class Stack:
    """The migrations of one program, before they are declared.

    Attributes:
        settings: those of all sources.
        aws: clients for look-ups while the program runs; only resources change anything.
        owner: the stack, for the claims on the sources.
        existing: the existing resources of each source, by identifier.
        fleet: what the sources share.
    """

    settings: Settings
    aws: Aws
    owner: Owner
    existing: Mapping[str, Existing]
    fleet: Fleet

    @classmethod
    def look_up(cls, settings: Settings) -> Self:
        """Look up all sources, in the region and with the profile of the stack's ``aws`` config.

        Raises:
            PreconditionFailed: a source does not exist or is already encrypted, or its key cannot be used.
        """
        config = pulumi.Config("aws")
        aws = Aws(AwsSettings(region=config.get("region"), profile=config.get("profile")))
        existing = look_up(aws, settings.sources)
        by_identifier = {
            source.identifier: resources for source, resources in zip(settings.sources, existing, strict=True)
        }
        return cls(settings, aws, this_stack(), by_identifier, fleet_of(settings, existing))

    def source(self, settings: SourceSettings) -> Source:
        """Return one of the sources, for its migration."""
        return Source(
            settings=settings,
            phase=self.settings.phase_of(settings),
            existing=self.existing[settings.identifier],
            access=AccessSettings(
                **vars(settings.credentials),
                ca_file=settings.ca_file,
                connection=self.settings.connection_of(settings),
            ),
            aws=self.aws,
            owner=self.owner,
            fleet=self.fleet,
        )

    def options_for(self, identifier: str) -> pulumi.ResourceOptions:
        """Return the options that assign the steps of a source to a worker."""
        root = pulumi.runtime.get_root_resource()
        workers = _workers.get(root) if root is not None else None
        if workers is None:
            workers = Workers(self.aws.settings)
            if root is not None:
                _workers[root] = workers
        return workers.options_for(identifier)
