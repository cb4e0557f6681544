"""What RDS says about itself: versions, classes, quotas, certificates, logs, maintenance, backups."""

from __future__ import annotations

from datetime import UTC, datetime

from dev.sandbox.rds import views
from dev.sandbox.rds.engines import VERSIONS
from dev.sandbox.rds.errors import RDSError
from dev.sandbox.rds.instances import check_class, unencryptable
from dev.sandbox.rds.pagination import filters, page
from dev.sandbox.rds.region import Region
from dev.sandbox.rds.registry import Parameters, Result, action

__all__: list[str] = []

_LOGS = ["audit", "error", "general", "slowquery"]
_CERTIFICATES = ("rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1")
_CLASSES = (
    "db.m5.large",
    "db.m6g.large",
    "db.r5.large",
    "db.r6g.large",
    "db.t2.micro",
    "db.t2.small",
    "db.t3.medium",
    "db.t3.micro",
    "db.t3.small",
    "db.t4g.medium",
)


@action("DescribeDBEngineVersions")
def engine_versions(region: Region, parameters: Parameters) -> Result:
    wanted = parameters.get("EngineVersion")
    known = VERSIONS.items() if parameters.get("Engine", "mysql") == "mysql" else ()
    found = [
        {
            "Engine": "mysql",
            "MajorEngineVersion": major,
            "EngineVersion": version,
            "DBParameterGroupFamily": f"mysql{major}",
            "DBEngineDescription": "MySQL Community Edition",
            "DBEngineVersionDescription": f"MySQL {version}",
            "ValidUpgradeTarget": [],
            "ExportableLogTypes": _LOGS,
            "SupportsLogExportsToCloudwatchLogs": True,
            "SupportsReadReplica": True,
            "SupportedFeatureNames": [],
            "Status": "available",
            "SupportsParallelQuery": False,
            "SupportsGlobalDatabases": False,
            "TagList": [],
            "SupportsBabelfish": False,
            "SupportsCertificateRotationWithoutRestart": major != "5.7",
            "SupportedCACertificateIdentifiers": list(_CERTIFICATES),
        }
        for major, version in known
        if wanted in (None, major, version)
    ]
    if family := parameters.get("DBParameterGroupFamily"):
        found = [each for each in found if each["DBParameterGroupFamily"] == family]
    return page(found, parameters, "DBEngineVersions")


@action("DescribeOrderableDBInstanceOptions")
def orderable(region: Region, parameters: Parameters) -> Result:
    """Whether a class supports encryption is what a migration asks here."""
    asked = parameters.get("DBInstanceClass")
    if asked is not None:
        check_class(asked)
    known = VERSIONS.values() if parameters["Engine"] == "mysql" else ()
    found = [
        {
            "Engine": "mysql",
            "EngineVersion": version,
            "DBInstanceClass": instance_class,
            "LicenseModel": "general-public-license",
            "AvailabilityZones": [{"Name": f"{region.name}{letter}"} for letter in "abc"],
            "MultiAZCapable": True,
            "ReadReplicaCapable": True,
            "Vpc": True,
            "SupportsStorageEncryption": not unencryptable(instance_class),
            "StorageType": kind,
            "SupportsIops": kind != "gp2",
            "SupportsStorageThroughput": kind == "gp3",
            "SupportsEnhancedMonitoring": True,
            "SupportsIAMDatabaseAuthentication": True,
            "SupportsPerformanceInsights": True,
            "MinStorageSize": 20,
            "MaxStorageSize": 65536,
            "SupportsStorageAutoscaling": True,
            "SupportsKerberosAuthentication": True,
            "OutpostCapable": False,
            "SupportsGlobalDatabases": False,
            "SupportedNetworkTypes": ["IPV4"],
            "SupportsClusters": False,
        }
        for version in known
        if parameters.get("EngineVersion") in (None, version, ".".join(version.split(".")[:2]))
        for instance_class in ([asked] if asked else _CLASSES)
        for kind in ("gp2", "gp3")
    ]
    return page(found, parameters, "OrderableDBInstanceOptions")


@action("DescribeAccountAttributes")
def account(region: Region, parameters: Parameters) -> Result:
    used = {
        "DBInstances": len(region.instances),
        "ManualSnapshots": sum(1 for each in region.snapshots.values() if each.kind == "manual"),
        "DBParameterGroups": len(region.parameter_groups),
        "DBSubnetGroups": len(region.subnet_groups),
        "OptionGroups": len(region.option_groups),
        "AllocatedStorage": sum(each.settings["AllocatedStorage"] for each in region.instances.values()),
        "ReadReplicasPerMaster": max(
            (len(region.replicas_of(each)) for each in region.instances.values()), default=0
        ),
    }
    quotas = [{"AccountQuotaName": n, "Used": u, "Max": region.quotas[n]} for n, u in used.items()]
    return {"AccountQuotas": quotas}


@action("DescribeCertificates")
def certificates(region: Region, parameters: Parameters) -> Result:
    wanted = parameters.get("CertificateIdentifier")
    found = [
        {
            "CertificateIdentifier": name,
            "CertificateType": "CA",
            "Thumbprint": f"{index:040x}",
            "ValidFrom": datetime(2021, 5, 25, 22, 34, 57, tzinfo=UTC),
            "ValidTill": views.CA_VALID_TILL,
            "CertificateArn": f"arn:aws:rds:{region.name}::cert:{name}",
            "CustomerOverride": False,
        }
        for index, name in enumerate(_CERTIFICATES, 1)
        if wanted in (None, name)
    ]
    if not found:
        raise RDSError("CertificateNotFound", f"Certificate {wanted} not found.")
    return page(found, parameters, "Certificates")


@action("DescribeDBLogFiles")
def log_files(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    log = region.hosting.server(instance).directory / "mysqld.log"
    found = []
    if log.exists():
        stat = log.stat()
        found.append(
            {
                "LogFileName": "error/mysql-error.log",
                "LastWritten": int(stat.st_mtime * 1000),
                "Size": stat.st_size,
            }
        )
    return page(found, parameters, "DescribeDBLogFiles")


@action("DownloadDBLogFilePortion")
def log_portion(region: Region, parameters: Parameters) -> Result:
    instance = region.instance(parameters["DBInstanceIdentifier"])
    name = parameters["LogFileName"]
    log = region.hosting.server(instance).directory / "mysqld.log"
    if name != "error/mysql-error.log" or not log.exists():
        raise RDSError("DBLogFileNotFoundFault", f"DBLog File: {name}, is not found on the DB instance")
    start = int(parameters.get("Marker") or 0)
    text = log.read_text(encoding="utf-8", errors="replace")
    end = min(len(text), start + 1_000_000)
    return {"LogFileData": text[start:end], "Marker": str(end), "AdditionalDataPending": end < len(text)}


@action("DescribePendingMaintenanceActions")
def maintenance(region: Region, parameters: Parameters) -> Result:
    return {"PendingMaintenanceActions": []}


@action("DescribeDBClusters")
def clusters(region: Region, parameters: Parameters) -> Result:
    if name := parameters.get("DBClusterIdentifier"):
        raise RDSError("DBClusterNotFoundFault", f"DBCluster {name} not found.")
    return {"DBClusters": []}


@action("DescribeBlueGreenDeployments")
def blue_green(region: Region, parameters: Parameters) -> Result:
    if name := parameters.get("BlueGreenDeploymentIdentifier"):
        raise RDSError("BlueGreenDeploymentNotFoundFault", f"BlueGreenDeployment {name} not found.")
    return {"BlueGreenDeployments": []}


@action("DescribeDBInstanceAutomatedBackups")
def automated_backups(region: Region, parameters: Parameters) -> Result:
    wanted = filters(parameters, ("status", "db-instance-id", "dbi-resource-id"))
    active = [(each, "active") for each in region.instances.values() if each.retention]
    retained = [(each, "retained") for each in region.retained_backups.values()]
    found = []
    for instance, status in active + retained:
        answers = {
            "status": status,
            "db-instance-id": instance.identifier,
            "dbi-resource-id": instance.resource_id,
        }
        name = parameters.get("DBInstanceIdentifier", instance.identifier)
        resource = parameters.get("DbiResourceId", instance.resource_id)
        asked_for = name == instance.identifier and resource == instance.resource_id
        if asked_for and all(answers[key] in values for key, values in wanted.items()):
            found.append(views.automated_backup(region, instance, status))
    return page(found, parameters, "DBInstanceAutomatedBackups")


@action("DeleteDBInstanceAutomatedBackup")
def delete_automated_backup(region: Region, parameters: Parameters) -> Result:
    resource = parameters.get("DbiResourceId", "")
    instance = region.retained_backups.pop(resource, None)
    if instance is None:
        raise RDSError(
            "DBInstanceAutomatedBackupNotFound", f"No retained automated backup of {resource} was found."
        )
    return {"DBInstanceAutomatedBackup": views.automated_backup(region, instance, "deleting")}
