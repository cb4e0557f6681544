"""Settings for reaching the databases: the master account, and a bastion."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.strict import Strict
from components.words import FileForSsh, HostForSsh, ManagedInstance, UserForSsh
from rds_encrypt.connection import Connection
from rds_encrypt.mysql.bastion import Bastion

__all__ = ["ConnectionSettings", "Credentials", "SshSettings", "SsmSettings"]


class Credentials(Strict):
    """Where the master account is: a Secrets Manager secret, or an environment variable with the password."""

    secret_id: str | None = None
    """Secrets Manager secret, by name or ARN: `{"username": …, "password": …}`."""
    environment: str | None = None
    """Alternatively, the environment variable that holds the password. Set exactly one of the two."""
    username: str | None = None
    """The account, if the secret does not name it and it is not the instance's master user."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.secret_id is None) == (self.environment is None):
            given = "both are" if self.secret_id is not None else "neither is"
            raise ValueError(f"give exactly one of `secretId` and `environment`; {given} set")
        return self


class SshSettings(Strict):
    """A bastion, and how to log in there; ssh's own configuration decides what is not set."""

    host: HostForSsh
    """With `via: ssh`: the bastion's name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """The port on which its sshd listens."""
    user: UserForSsh | None = None
    """The account there; by default, ssh's own configuration decides."""
    key_file: FileForSsh | None = None
    """The private key; by default, those of the agent and of ssh's own configuration. ssh never prompts: a key with a passphrase
    must be in the agent."""
    known_hosts_file: FileForSsh | None = None
    """A `known_hosts` file with the bastion's key; by default, ssh's own files. ssh refuses a key that the file does not have."""


class SsmSettings(Strict):
    """An EC2 instance in the VPC that Systems Manager manages."""

    target: ManagedInstance
    """With `via: ssm`: the id of the EC2 instance that reaches the databases."""


class ConnectionSettings(Strict):
    """How rds-encrypt reaches the databases."""

    via: Literal["direct", "ssh", "ssm"] = "direct"
    """How rds-encrypt reaches MySQL. `direct`: on the databases' port. `ssh`: through a bastion. `ssm`: through an EC2 instance,
    with Systems Manager. [More](real-account.md#through-a-bastion)."""
    ssh: SshSettings | None = None
    ssm: SsmSettings | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        for way, given in (("ssh", self.ssh), ("ssm", self.ssm)):
            if (self.via == way) != (given is not None):
                raise ValueError(f"`via: {way}` and `{way}` go together; only one of the two is set")
        return self

    def connection(self) -> Connection:
        """Return the connection that sessions use."""
        return Connection(
            Bastion(**self.ssh.model_dump()) if self.ssh else None, self.ssm.target if self.ssm else None
        )
