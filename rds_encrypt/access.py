"""Opens sessions on the MySQL of an RDS instance: with which account, over which connection, trusting which certificates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from rds_encrypt import rotation
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.secret_store import Account, read_account
from rds_encrypt.connection import tunnel_opener
from rds_encrypt.core.errors import AccountLocked, AccountRefused, ActionRequired, Retryable
from rds_encrypt.mysql.session import Credentials, Endpoint, Session, Tls, connect
from rds_encrypt.mysql.tunnel import OpenTunnel
from rds_encrypt.settings import ConnectionSettings, CredentialSettings

__all__ = ["RDS_CA_BUNDLE", "Access", "AccessSettings", "authorities_of", "endpoint_of"]

RDS_CA_BUNDLE = Path(__file__).resolve().parent / "policies" / "rds-ca-bundle.pem"
"""Amazon's certificate authorities for RDS in all commercial regions."""


@dataclass(frozen=True)
class AccessSettings(CredentialSettings):
    """References to an account, never the account itself, and how to reach the instances with it.

    Attributes:
        ca_file: certificate authorities to trust; defaults to Amazon's bundle.
    """

    ca_file: str | None = None
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)


class Access:
    """Opens sessions on instances with the account that the settings refer to.

    Args:
        aws: reads the secret.
        settings: which account, and what to trust.
        mends: whether to give the master password to an instance that has missed a change of it; never in a preview.
    """

    def __init__(self, aws: Aws, settings: AccessSettings, *, mends: bool = False) -> None:
        self._aws = aws
        self._settings = settings
        self._mends = mends
        self._account: Account | None = None
        self._reading = Lock()

    @contextmanager
    def session(
        self, instance: Instance, *, patience: float = 4.0, read_timeout: float = 60.0
    ) -> Iterator[Session]:
        """Open a session as the master user of the instance, trying for ``patience`` seconds.

        One statement may take ``read_timeout`` seconds to answer.

        Raises:
            Retryable: the instance has no address yet, or cannot be reached.
            ActionRequired: MySQL refuses the account, or the certificate is not trusted.
        """
        with ExitStack() as stack:

            def attempt() -> Session:
                return stack.enter_context(self._connected(instance, patience, read_timeout))

            try:
                session = attempt()
            except AccountRefused as refused:
                session = self._again(instance, attempt, refused)
            yield session

    def _again(self, instance: Instance, attempt: Callable[[], Session], refused: AccountRefused) -> Session:
        """Log in after a refusal: with the secret's current account, or after giving the instance a password that it missed."""
        if self._renewed():
            try:
                return attempt()
            except AccountRefused as still:
                refused = still
        if not (self._mends and self.has_missed_a_rotation(instance)):
            raise refused
        self.give_password(instance)
        return attempt()

    def give_password(self, instance: Instance) -> None:
        """Give an instance the account's password, and wait until it accepts it; RDS sets only that of the master user.

        Raises:
            ActionRequired: AWS refused.
            TimedOut: it still refused the account at the deadline.
        """
        rotation.give(self._aws, instance, self.credentials(instance), self._accepted_by)

    def has_missed_a_rotation(self, instance: Instance) -> bool:
        """Whether an instance refuses the account only because the master password was changed on production alone."""
        return rotation.missed(self._aws, instance, self.credentials(instance), self._accepted_by)

    def named_by_secret(self) -> frozenset[str]:
        """Return the address and the name of an instance that the secret has alongside the account; nothing without a secret."""
        secret = self._settings.secret_id
        return self._read(secret).instance if secret is not None else frozenset()

    def locks_out(self, instance: Instance, account: Credentials) -> bool:
        """Whether MySQL refuses a login with a locked account; attempts one."""
        tls = Tls(str(authorities_of(self._settings)))
        try:
            with connect(endpoint_of(instance), account, tls, open_tunnel=self._open_tunnel):
                return False
        except AccountLocked:
            return True

    def _connected(
        self, instance: Instance, patience: float, read_timeout: float
    ) -> AbstractContextManager[Session]:
        return connect(
            endpoint_of(instance),
            self.credentials(instance),
            Tls(str(authorities_of(self._settings))),
            patience=patience,
            read_timeout=read_timeout,
            open_tunnel=self._open_tunnel,
        )

    def _accepted_by(self, instance: Instance) -> bool:
        try:
            with self._connected(instance, 4.0, 60.0):
                return True
        except AccountRefused:
            return False

    @property
    def _open_tunnel(self) -> OpenTunnel | None:
        return tunnel_opener(self._aws, self._settings.connection)

    def credentials(self, instance: Instance) -> Credentials:
        """Return the account, which is the instance's master user if the settings name no other.

        Raises:
            ActionRequired: the password or the secret is missing.
        """
        master = self._settings.username or str(instance.description.get("MasterUsername", ""))
        if self._settings.secret_id:
            account = self._read(self._settings.secret_id)
            return Credentials(account.username or master, account.password)
        variable = self._settings.environment or ""  # set, if no secret is
        password = os.environ.get(variable)
        if not password:
            raise ActionRequired(
                f"the environment variable {variable} holds no password",
                where=f"credentials for {instance.identifier}",
                fix="Export it, or name a Secrets Manager secret in `credentials.secretId`",
            )
        return Credentials(master, password)

    def _read(self, secret_id: str) -> Account:
        """Read the secret once: a step opens many sessions, and each of them holds the account anyway."""
        with self._reading:
            if self._account is None:
                self._account = read_account(self._aws, secret_id)
            return self._account

    def _renewed(self) -> bool:
        """Whether the secret now holds another account than the one in use; if so, use that from now on."""
        with self._reading:
            used, self._account = self._account, None
        secret = self._settings.secret_id
        return used is not None and secret is not None and self._read(secret) != used


def authorities_of(settings: AccessSettings) -> Path:
    """Return the file of the certificate authorities to trust."""
    return Path(settings.ca_file or RDS_CA_BUNDLE)


def endpoint_of(instance: Instance) -> Endpoint:
    """Return where the instance's MySQL listens.

    Raises:
        Retryable: it has no address (yet).
    """
    if not instance.address:
        raise Retryable(f"the instance has no address (it is {instance.status})", where=instance.identifier)
    return Endpoint(instance.address, instance.port)
