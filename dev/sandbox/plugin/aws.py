"""The AWS side of a configured provider: its settings, its boto3 clients, its default tags."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dev.sandbox.plugin.errors import ProviderError

#: Provider settings that change whom we are towards AWS: better refused than ignored.
_UNSUPPORTED = ("assumeRoles", "assumeRoleWithWebIdentity", "httpProxy", "httpsProxy")

__all__ = ["Connections", "Settings"]


@dataclass(frozen=True)
class Settings:
    """The provider configuration that the stand-in honours; the real one's other settings are accepted."""

    region: str
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    token: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    default_tags: Mapping[str, str] = field(default_factory=dict)
    skip_account: bool = False
    skip_credentials: bool = False
    max_retries: int = 25

    @classmethod
    def parse(cls, configuration: Mapping[str, Any]) -> Settings:
        """Read the engine's configuration; structured values may come as JSON text."""
        values = {name: _decoded(value) for name, value in configuration.items()}
        for name in _UNSUPPORTED:
            if values.get(name):
                raise ProviderError(
                    f"the stand-in for pulumi-resource-aws does not support 'aws:{name}': unset it"
                )
        region = values.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        profile = values.get("profile")
        region = region or boto3.Session(profile_name=profile).region_name
        if not region:
            raise ProviderError(
                "no AWS region is set: run `pulumi config set aws:region <region>` or set AWS_REGION"
            )
        endpoints: dict[str, str] = {}
        for group in values.get("endpoints") or []:
            endpoints.update({service: url for service, url in group.items() if url})
        return cls(
            region=region,
            profile=profile,
            access_key=values.get("accessKey"),
            secret_key=values.get("secretKey"),
            token=values.get("token"),
            endpoints=endpoints,
            default_tags=dict((values.get("defaultTags") or {}).get("tags") or {}),
            skip_account=bool(values.get("skipRequestingAccountId")),
            skip_credentials=bool(values.get("skipCredentialsValidation")),
            max_retries=int(values.get("maxRetries") or 25),
        )


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and (value in ("true", "false") or value[:1] in ("[", "{")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


class Connections:
    """boto3 clients by service and region, made when first asked for and shared between threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._session = boto3.Session(
            profile_name=settings.profile,
            region_name=settings.region,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            aws_session_token=settings.token,
        )
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str | None = None) -> Any:
        """Give the client of a service, in the provider's region unless another is named."""
        key = (service, region or self.settings.region)
        # Making clients is not thread-safe in boto3; using them is.
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    cast(Any, service),
                    region_name=key[1],
                    endpoint_url=self.settings.endpoints.get(service),
                    config=Config(
                        retries={"mode": "standard", "total_max_attempts": self.settings.max_retries},
                        max_pool_connections=64,
                    ),
                )
            return self._clients[key]

    def verify(self) -> None:
        """Ask STS who we are, as the real provider does when it is configured."""
        if self.settings.skip_credentials and self.settings.skip_account:
            return
        try:
            self.client("sts").get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            raise ProviderError(f"could not validate credentials: {error}") from error
