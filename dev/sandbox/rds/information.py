"""What RDS says of an account: its quotas, and that no maintenance is due."""

from __future__ import annotations

from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []


@action("DescribeAccountAttributes")
def account(region: Region, parameters: Parameters) -> Result:
    used = {
        "DBInstances": len(region.instances),
        "ManualSnapshots": sum(1 for snapshot in region.snapshots.values() if snapshot.kind == "manual"),
        "DBParameterGroups": len(region.parameter_groups),
        "DBSubnetGroups": len(region.subnet_groups),
        "OptionGroups": len(region.option_groups),
        "AllocatedStorage": sum(
            instance.settings["AllocatedStorage"] for instance in region.instances.values()
        ),
        "ReadReplicasPerMaster": max(
            (len(region.replicas_of(instance)) for instance in region.instances.values()), default=0
        ),
    }
    quotas = [{"AccountQuotaName": n, "Used": u, "Max": region.quotas[n]} for n, u in used.items()]
    return {"AccountQuotas": quotas}


@action("DescribePendingMaintenanceActions")
def maintenance(region: Region, parameters: Parameters) -> Result:
    return {"PendingMaintenanceActions": []}
