"""The AWS side of a configured provider: its settings, its clients, its default tags."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.session import Session

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
    def parse(cls, configuration: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
        """Read the engine's configuration and environment; structured values may come as JSON text."""
        values = {name: _decoded(value) for name, value in configuration.items()}
        for name in _UNSUPPORTED:
            if values.get(name):
                raise ProviderError(
                    f"the stand-in for pulumi-resource-aws does not support 'aws:{name}': unset it"
                )
        region = (
            values.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        )
        profile = values.get("profile")
        region = region or _session(environment, profile).get_config_variable("region")
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


_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
#: Reading the descriptions of AWS's services takes longer than the calls of most commands.
_DESCRIPTIONS = create_loader()


def _session(environment: Mapping[str, str], profile: str | None) -> Session:
    """Give a session of an environment that is not this process's."""
    session = Session(profile=profile or environment.get("AWS_PROFILE"))
    session.register_component("data_loader", _DESCRIPTIONS)
    for variable, name in (
        ("config_file", "AWS_CONFIG_FILE"),
        ("credentials_file", "AWS_SHARED_CREDENTIALS_FILE"),
    ):
        if name in environment:
            session.set_config_variable(variable, environment[name])
    return session


class Connections:
    """Clients by service and region, made when first asked for and shared between threads."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], before_each_call: Callable[[], None]
    ) -> None:
        self.settings = settings
        self._endpoint = environment.get("AWS_ENDPOINT_URL")
        self._session = _session(environment, settings.profile)
        access_key, secret_key, token = settings.access_key, settings.secret_key, settings.token
        if not access_key and not settings.profile:
            access_key, secret_key, token = (environment.get(name) for name in _CREDENTIALS)
        if access_key and secret_key:
            self._session.set_credentials(access_key, secret_key, token)
        self._session.register("before-send", lambda **_: before_each_call())
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str | None = None) -> Any:
        """Give the client of a service, in the provider's region unless another is named."""
        key = (service, region or self.settings.region)
        # Making clients is not thread-safe in botocore; using them is.
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session.create_client(
                    service,
                    region_name=key[1],
                    endpoint_url=self.settings.endpoints.get(service, self._endpoint),
                    config=Config(
                        retries={"mode": "standard", "total_max_attempts": self.settings.max_retries},
                        max_pool_connections=64,
                    ),
                )
            return self._clients[key]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()

    def verify(self) -> None:
        """Ask STS who we are, as the real provider does when it is configured."""
        if self.settings.skip_credentials and self.settings.skip_account:
            return
        try:
            self.client("sts").get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            raise ProviderError(f"could not validate credentials: {error}") from error
