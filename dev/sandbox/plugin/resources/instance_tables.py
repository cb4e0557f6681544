"""Tables on `aws:rds/instance:Instance`: how the schema treats each input, and which API call takes it."""

from __future__ import annotations

from collections.abc import Mapping

from dev.sandbox.plugin.resources.base import Attribute

__all__ = [
    "ALWAYS", "API_NAMES", "ATTRIBUTES", "CONFLICTS", "CREATE_TAKES", "LOCAL", "REPLICA_MODIFIES", "REPLICA_TAKES",
    "RESTORE_MODIFIES", "RESTORE_TAKES", "UNSUPPORTED",
]  # fmt: skip

_COMPUTED = Attribute(computed=True)
_FIXED = Attribute(computed=True, force_new=True)
_UNREADABLE = Attribute(unreadable=True)

ATTRIBUTES: Mapping[str, Attribute] = {
    "allocatedStorage": _COMPUTED,
    "allowMajorVersionUpgrade": _UNREADABLE,
    "applyImmediately": Attribute(unreadable=True, default=False),
    "autoMinorVersionUpgrade": Attribute(default=True),
    "availabilityZone": _FIXED,
    "backupRetentionPeriod": _COMPUTED,
    "backupTarget": _FIXED,
    "backupWindow": _COMPUTED,
    "blueGreenUpdate": _UNREADABLE,
    "caCertIdentifier": _COMPUTED,
    "characterSetName": _FIXED,
    "copyTagsToSnapshot": Attribute(default=False),
    "customIamInstanceProfile": Attribute(force_new=True),
    "databaseInsightsMode": _COMPUTED,
    "dbName": _FIXED,
    "dbSubnetGroupName": _COMPUTED,
    "dedicatedLogVolume": Attribute(default=False),
    "deleteAutomatedBackups": Attribute(unreadable=True, default=True),
    "domainDnsIps": Attribute(unordered=True),
    "domainFqdn": _COMPUTED,
    "enabledCloudwatchLogsExports": Attribute(unordered=True),
    "engine": _FIXED,
    "engineLifecycleSupport": _COMPUTED,
    "engineVersion": _COMPUTED,
    "finalSnapshotIdentifier": _UNREADABLE,
    "identifier": _COMPUTED,
    "identifierPrefix": _FIXED,
    "iops": _COMPUTED,
    "kmsKeyId": _FIXED,
    "licenseModel": _COMPUTED,
    "maintenanceWindow": _COMPUTED,
    "manageMasterUserPassword": _UNREADABLE,
    "masterUserSecretKmsKeyId": Attribute(computed=True, unreadable=True),
    "monitoringInterval": Attribute(default=0),
    "monitoringRoleArn": _COMPUTED,
    "multiAz": _COMPUTED,
    "ncharCharacterSetName": _FIXED,
    "networkType": _COMPUTED,
    "optionGroupName": _COMPUTED,
    "parameterGroupName": _COMPUTED,
    "password": _UNREADABLE,
    "passwordWo": Attribute(write_only=True),
    "passwordWoVersion": _UNREADABLE,
    "performanceInsightsEnabled": Attribute(default=False),
    "performanceInsightsKmsKeyId": _COMPUTED,
    "performanceInsightsRetentionPeriod": _COMPUTED,
    "port": _COMPUTED,
    "publiclyAccessible": Attribute(default=False),
    "replicaMode": _COMPUTED,
    "restoreToPointInTime": Attribute(force_new=True, unreadable=True),
    "s3Import": Attribute(force_new=True, unreadable=True),
    "skipFinalSnapshot": Attribute(unreadable=True, default=False),
    # Not read back: what the instance was made from is only in the state.
    "snapshotIdentifier": Attribute(computed=True, force_new=True, unreadable=True),
    # Not computed: restored from an encrypted snapshot without it, the next preview replaces the instance.
    "storageEncrypted": Attribute(force_new=True),
    "storageThroughput": _COMPUTED,
    "storageType": _COMPUTED,
    "timezone": _FIXED,
    "upgradeStorageConfig": _UNREADABLE,
    "username": _FIXED,
    "vpcSecurityGroupIds": Attribute(computed=True, unordered=True),
    "warningEventCategories": Attribute(unordered=True, unreadable=True),
}

CONFLICTS = (
    ("characterSetName", "replicateSourceDb"),
    ("characterSetName", "restoreToPointInTime"),
    ("characterSetName", "s3Import"),
    ("characterSetName", "snapshotIdentifier"),
    ("dbName", "replicateSourceDb"),
    ("engine", "replicateSourceDb"),
    ("engineVersion", "replicateSourceDb"),
    ("identifier", "identifierPrefix"),
    ("manageMasterUserPassword", "password"),
    ("manageMasterUserPassword", "passwordWo"),
    ("password", "passwordWo"),
    ("restoreToPointInTime", "replicateSourceDb"),
    ("restoreToPointInTime", "s3Import"),
    ("restoreToPointInTime", "snapshotIdentifier"),
    ("s3Import", "replicateSourceDb"),
    ("s3Import", "snapshotIdentifier"),
    ("username", "replicateSourceDb"),
)

#: Inputs that the create calls take under another name than ModifyDBInstance and DescribeDBInstances.
API_NAMES: Mapping[str, str] = {
    "allocatedStorage": "AllocatedStorage",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "availabilityZone": "AvailabilityZone",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "backupTarget": "BackupTarget",
    "backupWindow": "PreferredBackupWindow",
    "caCertIdentifier": "CACertificateIdentifier",
    "characterSetName": "CharacterSetName",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "customIamInstanceProfile": "CustomIamInstanceProfile",
    "customerOwnedIpEnabled": "EnableCustomerOwnedIp",
    "databaseInsightsMode": "DatabaseInsightsMode",
    "dbName": "DBName",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "dedicatedLogVolume": "DedicatedLogVolume",
    "deletionProtection": "DeletionProtection",
    "domain": "Domain",
    "domainAuthSecretArn": "DomainAuthSecretArn",
    "domainDnsIps": "DomainDnsIps",
    "domainFqdn": "DomainFqdn",
    "domainIamRoleName": "DomainIAMRoleName",
    "domainOu": "DomainOu",
    "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
    "engine": "Engine",
    "engineLifecycleSupport": "EngineLifecycleSupport",
    "engineVersion": "EngineVersion",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "instanceClass": "DBInstanceClass",
    "iops": "Iops",
    "kmsKeyId": "KmsKeyId",
    "licenseModel": "LicenseModel",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "manageMasterUserPassword": "ManageMasterUserPassword",
    "masterUserSecretKmsKeyId": "MasterUserSecretKmsKeyId",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "monitoringInterval": "MonitoringInterval",
    "monitoringRoleArn": "MonitoringRoleArn",
    "multiAz": "MultiAZ",
    "ncharCharacterSetName": "NcharCharacterSetName",
    "networkType": "NetworkType",
    "optionGroupName": "OptionGroupName",
    "parameterGroupName": "DBParameterGroupName",
    "password": "MasterUserPassword",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "port": "Port",
    "publiclyAccessible": "PubliclyAccessible",
    "replicaMode": "ReplicaMode",
    "storageEncrypted": "StorageEncrypted",
    "storageThroughput": "StorageThroughput",
    "storageType": "StorageType",
    "timezone": "Timezone",
    "username": "MasterUsername",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
}

#: Always sent by every create call, set or not.
ALWAYS = (
    "autoMinorVersionUpgrade",
    "copyTagsToSnapshot",
    "deletionProtection",
    "instanceClass",
    "publiclyAccessible",
)

REPLICA_TAKES = (
    "availabilityZone", "backupTarget", "customIamInstanceProfile", "dbSubnetGroupName", "dedicatedLogVolume",
    "domain", "domainAuthSecretArn", "domainDnsIps", "domainFqdn", "domainIamRoleName", "domainOu",
    "enabledCloudwatchLogsExports", "iamDatabaseAuthenticationEnabled", "iops", "kmsKeyId", "monitoringInterval",
    "monitoringRoleArn", "multiAz", "networkType", "optionGroupName", "performanceInsightsEnabled",
    "performanceInsightsKmsKeyId", "performanceInsightsRetentionPeriod", "port", "replicaMode", "storageThroughput",
    "storageType", "vpcSecurityGroupIds",
)  # fmt: skip

#: Modified after a replica was made, but only if the replica came out otherwise.
REPLICA_MODIFIES = (
    "backupRetentionPeriod", "backupWindow", "caCertIdentifier", "maintenanceWindow", "maxAllocatedStorage",
    "parameterGroupName",
)  # fmt: skip

RESTORE_TAKES = (
    "availabilityZone", "backupTarget", "customIamInstanceProfile", "customerOwnedIpEnabled", "dbSubnetGroupName",
    "dedicatedLogVolume", "domain", "domainAuthSecretArn", "domainDnsIps", "domainFqdn", "domainIamRoleName",
    "domainOu", "enabledCloudwatchLogsExports", "engine", "engineLifecycleSupport", "iamDatabaseAuthenticationEnabled",
    "licenseModel", "multiAz", "networkType", "optionGroupName", "parameterGroupName", "port", "vpcSecurityGroupIds",
)  # fmt: skip

#: Modified after a restore whenever the program gives them: the restore call doesn't take them.
RESTORE_MODIFIES = (
    "allocatedStorage", "backupWindow", "caCertIdentifier", "databaseInsightsMode", "engineVersion", "iops",
    "maintenanceWindow", "manageMasterUserPassword", "masterUserSecretKmsKeyId", "maxAllocatedStorage",
    "monitoringInterval", "monitoringRoleArn", "password", "performanceInsightsEnabled", "storageThroughput",
    "storageType",
)  # fmt: skip

CREATE_TAKES = (
    *RESTORE_TAKES, "allocatedStorage", "backupRetentionPeriod", "backupWindow", "caCertIdentifier",
    "characterSetName", "databaseInsightsMode", "dbName", "engineVersion", "iops", "kmsKeyId", "maintenanceWindow",
    "manageMasterUserPassword", "masterUserSecretKmsKeyId", "maxAllocatedStorage", "monitoringInterval",
    "monitoringRoleArn", "ncharCharacterSetName", "password", "performanceInsightsEnabled",
    "performanceInsightsKmsKeyId", "performanceInsightsRetentionPeriod", "storageEncrypted", "storageThroughput",
    "storageType", "timezone", "username",
)  # fmt: skip

#: Changes that need no ModifyDBInstance.
LOCAL = frozenset(
    {
        "allowMajorVersionUpgrade", "applyImmediately", "blueGreenUpdate", "deleteAutomatedBackups",
        "finalSnapshotIdentifier", "replicateSourceDb", "skipFinalSnapshot", "tags", "tagsAll", "upgradeStorageConfig",
    }
)  # fmt: skip

UNSUPPORTED = ("blueGreenUpdate", "restoreToPointInTime", "s3Import")
