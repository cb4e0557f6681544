"""What RDS asks of KMS and EC2: moto's backends, in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.kms.models import kms_backends

from dev.sandbox.rds.errors import RDSError, invalid_value

__all__ = ["DEFAULT_KEY_ALIAS", "Subnet", "default_security_group", "key_arn", "security_groups", "subnets"]

DEFAULT_KEY_ALIAS = "alias/aws/rds"


@dataclass(frozen=True)
class Subnet:
    """The part of an EC2 subnet that RDS shows."""

    identifier: str
    vpc_id: str
    availability_zone: str


def key_arn(account_id: str, region: str, key: str | None) -> str:
    """Resolve a key id, key ARN, alias or alias ARN to the ARN of a key that can be used; none given is RDS's own."""
    backend = kms_backends[account_id][region]
    reference = key or DEFAULT_KEY_ALIAS
    if reference.endswith(f":{DEFAULT_KEY_ALIAS}") or reference == DEFAULT_KEY_ALIAS:
        known = backend.get_key_id_from_alias(
            DEFAULT_KEY_ALIAS
        )  # on first use this makes the key and the alias
        backend.keys[backend.get_key_id(str(known))].key_manager = "AWS"
        reference = DEFAULT_KEY_ALIAS
    is_alias = "alias/" in reference
    if is_alias and not backend.alias_exists(backend.get_alias_name(reference)):
        raise _inaccessible(reference)
    kms_key: Any = backend.keys.get(backend.any_id_to_key_id(reference))
    # moto leaves the usage of a key open when CreateKey did not name it.
    usable = kms_key is not None and kms_key.enabled and kms_key.key_state == "Enabled"
    if not usable or (kms_key.key_usage or "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
        raise _inaccessible(reference)
    if not is_alias and reference.startswith("arn:") and reference != kms_key.arn:
        raise _inaccessible(reference)
    return str(kms_key.arn)


def _inaccessible(key: str) -> RDSError:
    return RDSError(
        "KMSKeyNotAccessibleFault",
        f"Specified KMS key [{key}] does not exist, is not enabled or you do not have permissions to access it.",
    )


def security_groups(account_id: str, region: str, identifiers: list[str]) -> list[str]:
    """Return the identifiers when EC2 knows them all."""
    groups = ec2_backends[account_id][region]
    unknown = [given for given in identifiers if groups.get_security_group_from_id(given) is None]
    if unknown:
        raise invalid_value(f"Invalid security group , groupId= {', '.join(unknown)}, groupName=.")
    return list(identifiers)


def default_security_group(account_id: str, region: str, vpc_id: str) -> str:
    """Return the VPC's default security group."""
    group: Any = ec2_backends[account_id][region].get_default_security_group(vpc_id)
    return str(group.id)


def default_vpc_subnets(account_id: str, region: str) -> list[Subnet]:
    """Return the default VPC's subnets, which make up RDS's `default` subnet group."""
    backend = ec2_backends[account_id][region]
    vpc: Any = backend.get_default_vpc()
    if vpc is None:
        raise RDSError("DBSubnetGroupNotFoundFault", "DB subnet group 'default' does not exist.")
    vpc_subnets = backend.describe_subnets(filters={"vpc-id": vpc.id})
    return [
        Subnet(str(subnet.id), str(subnet.vpc_id), str(subnet.availability_zone)) for subnet in vpc_subnets
    ]


def subnets(account_id: str, region: str, identifiers: list[str]) -> list[Subnet]:
    """Return the subnets when EC2 knows them all."""
    known: Any = {subnet.id: subnet for subnet in ec2_backends[account_id][region].describe_subnets()}
    unknown = [given for given in identifiers if given not in known]
    if unknown:
        raise RDSError("InvalidSubnet", f"Some input subnets in :[{', '.join(unknown)}] are invalid.")
    return [
        Subnet(str(known[given].id), str(known[given].vpc_id), str(known[given].availability_zone))
        for given in identifiers
    ]
