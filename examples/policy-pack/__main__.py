"""A policy pack: `pulumi preview --policy-pack examples/policy-pack`, with this repository's stacks or with any other that has RDS instances."""

from __future__ import annotations

from policies import POLICIES
from pulumi_policy import EnforcementLevel, PolicyPack

PolicyPack(name="rds-encryption", policies=POLICIES, enforcement_level=EnforcementLevel.MANDATORY)
