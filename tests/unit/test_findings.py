"""Findings about an instance, and what IAM's simulator is asked: pure parts, one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from providers.arguments import as_inputs, read
from rds_encrypt.aws import metrics
from rds_encrypt.aws.clients import Aws
from rds_encrypt.aws.errors import sorted_errors
from rds_encrypt.aws.inventory import ZONES, AccountInventory, Alarm, Quota
from rds_encrypt.aws.parameter_groups import ParameterGroups
from rds_encrypt.aws.proxies import ProxyTarget
from rds_encrypt.aws.snapshots import Snapshot
from rds_encrypt.check import Check, Finding, Scope, Severity, refusal
from rds_encrypt.checks import of_account, of_caller, of_instance, of_key, of_replicas, registry, run, words
from rds_encrypt.checks import of_mysql as mysql
from rds_encrypt.checks.context import AwsCheck, CheckContext, Plan
from rds_encrypt.checks.run import mysql_findings
from rds_encrypt.core.errors import ActionRequired, PreconditionFailed
from rds_encrypt.cutover.strategies import strategy_called
from rds_encrypt.discovery import Topology
from rds_encrypt.journal import Tag
from rds_encrypt.names import Names
from rds_encrypt.quota_demand import QuotaDemand, quota_demand_of
from rds_encrypt.settings import StrategyName
from tests.unit.fakes import Answer, FakeAws, FakeSession, instance, replica_row

POLICY = json.loads(
    (Path(__file__).resolve().parents[2] / "rds_encrypt" / "policies" / "iam-policy.json").read_text("utf-8")
)


class Around(AccountInventory):
    """An account whose answers are given beforehand instead of asked for."""

    def __init__(self, **known: Any) -> None:
        super().__init__(FakeAws())
        taken: dict[str, dict[str, str]] = known.pop("snapshots", {})
        self.taken = {name: Snapshot("available", tags) for name, tags in taken.items()}
        nothing: dict[str, Any] = {
            "quotas": {},
            "proxy_targets": [],
            "integrations": {},
            "dms_endpoints": [],
            "login_policies": {},
            "alarms": [],
            "maintenance": {},
            "subscriptions": {},
            "event_rules": {},
            "zones": [],
            "aliases": [],
            "groups": {},
        }
        self.__dict__.update({**nothing, **known})

    def key_policy(self, arn: str) -> dict[str, Any] | None:
        policy: dict[str, Any] | None = self.__dict__["policies"][arn]
        return policy

    def snapshots(self, identifiers: Any) -> dict[str, Snapshot]:
        return {name: snapshot for name, snapshot in self.taken.items() if name in identifiers}


def context(
    source: Any = None,
    around: AccountInventory | None = None,
    strategy: StrategyName = "rename",
    **topology: Any,
) -> CheckContext:
    source_instance = source or instance()
    plan = Plan(
        topology.pop("phase", "replicate"),
        "online",
        key=topology.pop("key", ""),
        topology=Topology(Names("orders"), source_instance, **{"encrypted": None, **topology}),
        strategy=strategy_called(strategy),
    )
    return CheckContext(FakeAws(source_instance), around or Around(), plan)


def findings_of(check: AwsCheck, what: CheckContext) -> list[Finding]:
    return list(check(what))


def one(check: AwsCheck, what: CheckContext) -> Finding:
    (finding,) = check(what)
    return finding


def test_a_finding_reads_in_the_order_of_an_error() -> None:
    finding = Finding(Severity.WARNING, "it has a flaw", "orders", "flaws grow", "Mend it")
    assert str(finding) == "orders: it has a flaw. Flaws grow. Mend it."
    error = PreconditionFailed("it is encrypted", where="orders", fix="Take it out")
    assert str(refusal(error)) == str(error)


def test_in_markdown_the_gravest_come_first_and_only_notes_are_folded_up() -> None:
    findings = [
        Finding(severity, f"a {severity}", "orders") for severity in (Severity.NOTE, Severity.WARNING)
    ]
    text = words.as_markdown(["orders: it is stopped."], findings)
    assert re.findall(r"\*\*(\w+)\*\*: (.*)", text) == [
        ("Blocking", "orders: it is stopped."),
        ("Warning", "orders: a warning."),
    ]
    assert "<details><summary>1 note: good to know</summary>\n\n- orders: a note.\n\n</details>" in text
    assert words.as_markdown([], []) == "Preflight found nothing to act on.\n"


@pytest.mark.parametrize("status", ["stopped", "stopping"])
def test_a_stopped_instance_blocks(status: str) -> None:
    finding = one(of_instance.runs, context(instance(DBInstanceStatus=status)))
    assert finding.severity is Severity.BLOCKING
    assert "aws rds start-db-instance --db-instance-identifier orders" in finding.fix


def test_a_busy_one_is_a_warning() -> None:
    what = context(instance(DBInstanceStatus="modifying"))
    assert findings_of(of_instance.runs, what) == []
    assert one(of_instance.busy, what).severity is Severity.WARNING


@pytest.mark.parametrize("status", ["storage-optimization", "storage-initialization"])
def test_an_instance_whose_storage_is_being_arranged_is_usable(status: str) -> None:
    finding = one(of_instance.busy, context(instance(DBInstanceStatus=status)))
    assert finding.severity is Severity.NOTE
    assert "waits" not in str(finding)


def test_a_backup_is_waited_for_and_that_is_said() -> None:
    finding = one(of_instance.busy, context(instance(DBInstanceStatus="backing-up")))
    assert finding.severity is Severity.WARNING
    assert "can take hours" in finding.why


def test_where_rds_manages_the_password_method_offline_says_what_becomes_of_the_secret() -> None:
    what = context(instance(MasterUserSecret={"SecretArn": "arn"}))
    assert findings_of(of_instance.managed_password, what) == []  # preflight has refused
    finding = one(of_instance.managed_password, replace(what, plan=replace(what.plan, method="offline")))
    assert "--manage-master-user-password" in finding.fix


def test_changes_that_wait_are_named() -> None:
    groups = [{"DBParameterGroupName": "orders-mysql80", "ParameterApplyStatus": "pending-reboot"}]
    what = context(
        instance(PendingModifiedValues={"DBInstanceClass": "db.m6g.large"}, DBParameterGroups=groups)
    )
    message = one(of_instance.pending_changes, what).what
    assert "DBInstanceClass" in message
    assert "parameter group orders-mysql80 (pending-reboot)" in message


@pytest.mark.parametrize(("hours", "warned"), [(1, True), (30, False)])
def test_a_maintenance_window_is_told_when_it_is_near(hours: int, *, warned: bool) -> None:
    opens = datetime.now(UTC) + timedelta(hours=hours, minutes=5)
    closes = opens + timedelta(minutes=30)
    window = f"{opens:%a:%H:%M}-{closes:%a:%H:%M}".lower()
    findings = findings_of(
        of_instance.maintenance_window, context(instance(PreferredMaintenanceWindow=window))
    )
    assert bool(findings) is warned


def test_replicas_of_others_are_told_and_ours_is_not() -> None:
    names = ["orders-not-encrypted", "reports"]
    finding = one(of_replicas.replicas, context(instance(ReadReplicaDBInstanceIdentifiers=names)))
    assert finding.what == "it has replicas that do not come along: reports"
    ours = instance(ReadReplicaDBInstanceIdentifiers=names[:1])
    assert findings_of(of_replicas.replicas, context(ours)) == []


@pytest.mark.parametrize(
    ("identifier", "owner", "blocks"),
    [
        ("orders-encrypted", "db-OTHER", True),
        ("orders-encrypted", "db-ORDERS", False),
        ("orders-old", "", False),
    ],
)
def test_only_snapshots_of_others_with_our_names_block(identifier: str, owner: str, *, blocks: bool) -> None:
    around = Around(snapshots={identifier: {Tag.MIGRATION: owner} if owner else {}})
    assert bool(findings_of(of_account.snapshots_free, context(around=around))) is blocks


@pytest.mark.parametrize(
    ("name", "quota", "message"),
    [
        ("DBInstances", Quota(39, 40), "may have 40 DB instances and has 39, but this source needs 2 more"),
        ("DBInstances", Quota(38, 40), None),
        ("AllocatedStorage", Quota(99_970, 100_000), "this source needs 40 more"),
        ("ManualSnapshots", Quota(99, 100), "this source needs 2 more"),
        ("ReadReplicasPerMaster", Quota(1, 1), "AWS allows 1 per instance"),
    ],
)
def test_quotas_are_counted(name: str, quota: Quota, message: str | None) -> None:
    what = context(instance(ReadReplicaDBInstanceIdentifiers=["reports"]), Around(quotas={name: quota}))
    messages = [str(finding) for finding in of_account.quotas(what)]
    assert messages == [] if message is None else message in messages[0]


@pytest.mark.parametrize(
    ("left", "refused"),
    [(6, []), (5, ["users"]), (4, ["users"]), (3, ["orders", "users"]), (1, ["accounts", "orders", "users"])],
)
def test_quotas_are_counted_for_all_sources_of_the_stack(left: int, refused: list[str]) -> None:
    fleet = tuple(QuotaDemand(name, 20, replica=True) for name in ("accounts", "orders", "users"))
    around = Around(quotas={"DBInstances": Quota(40 - left, 40)})
    by_source = {
        demand.identifier: findings_of(
            of_account.quotas, replace(context(instance(demand.identifier), around), fleet=fleet)
        )
        for demand in fleet
    }
    assert sorted(name for name, findings in by_source.items() if findings) == refused
    for findings in filter(None, by_source.values()):
        assert "3 sources of this stack need 6 more, and the 2 of this one" in findings[0].what


def test_what_exists_of_other_sources_is_not_needed_any_more() -> None:
    fleet = (QuotaDemand("accounts", 20, replica=True), QuotaDemand("orders", 20, replica=True))
    around = Around(
        quotas={"ManualSnapshots": Quota(98, 100)},
        snapshots={"accounts-encrypted": {}, "accounts-not-encrypted": {}},
    )
    assert findings_of(of_account.quotas, replace(context(around=around), fleet=fleet)) == []


@pytest.mark.parametrize(
    ("phase", "topology", "needs"),
    [
        ("replicate", {}, True),
        ("cutover", {}, True),
        ("cleanup", {}, False),
        ("replicate", {"encrypted": instance("orders-encrypted")}, False),
    ],
)
def test_a_source_that_has_its_copy_needs_nothing(
    phase: str, topology: dict[str, Any], *, needs: bool
) -> None:
    demand = quota_demand_of(
        Topology(Names("orders"), instance(), **{"encrypted": None, **topology}), phase, "online"
    )
    assert demand == (QuotaDemand("orders", 20, replica=True) if needs else None)
    assert demand is None or read(QuotaDemand, as_inputs(demand)) == demand


def test_what_an_interrupted_run_left_is_not_counted_twice() -> None:
    left: dict[str, dict[str, str]] = {"orders-not-encrypted": {}, "orders-encrypted": {}}
    around = Around(quotas={"ManualSnapshots": Quota(100, 100)}, snapshots=left)
    assert findings_of(of_account.quotas, context(around=around)) == []


@pytest.mark.parametrize(("strategy", "severity"), [("rename", Severity.NOTE), ("dns", Severity.WARNING)])
def test_what_points_at_the_name_follows_it_only_if_it_moves(
    strategy: StrategyName, severity: Severity
) -> None:
    alarm = Alarm("cpu", frozenset({"orders"}), "")
    rules = {
        "page": '{"detail": {"SourceIdentifier": ["orders"]}}',
        "by-arn": '{"resources": ["arn:aws:rds:eu-west-1:1:db:orders"]}',
        "others": '{"resources": ["arn:aws:rds:eu-west-1:1:db:old-orders", "orders-reader"]}',
    }
    around = Around(
        alarms=[alarm],
        subscriptions={"pager": frozenset({"orders"})},
        event_rules=rules,
    )
    what = context(around=around, strategy=strategy)
    rule = one(of_account.event_rules, what)
    assert (rule.severity, rule.what) == (severity, "EventBridge rules name it: by-arn, page")
    assert one(of_account.alarms, what).severity is severity
    assert one(of_account.subscriptions, what).severity is severity


@pytest.mark.parametrize(
    ("strategy", "named", "warned"),
    [
        ("dns", {"orders"}, True),
        ("none", {"orders.example"}, True),
        ("none", {"billing.example"}, False),
        ("rename", {"orders"}, False),
    ],
)
def test_a_secret_that_names_the_instance_stays_behind_with_the_name(
    strategy: StrategyName, named: set[str], *, warned: bool
) -> None:
    access = SimpleNamespace(named_by_secret=lambda: frozenset(named))
    what = replace(context(strategy=strategy), access=cast(Any, access))
    findings = findings_of(of_account.secret, what)
    assert bool(findings) is warned
    if findings:
        assert findings[0].what == "the secret in `credentials.secretId` has its address or its name"


def test_what_points_at_the_identity_stays_behind() -> None:
    expression = "DB_PERF_INSIGHTS('RDS', 'db-ORDERS', 'os.cpuUtilization.total.avg')"
    around = Around(
        alarms=[Alarm("load", frozenset(), expression), Alarm("other", frozenset({"billing"}), "")]
    )
    finding = one(of_account.alarms, context(around=around))
    assert finding.severity is Severity.WARNING
    assert finding.what == "CloudWatch alarms are bound to its id db-ORDERS: load"


def test_proxies_and_maintenance_are_those_of_the_source() -> None:
    source = instance()
    around = Around(
        proxy_targets=[ProxyTarget("pool", "orders"), ProxyTarget("other", "billing")],
        maintenance={source.arn: ["system-update"], "arn:billing": ["db-upgrade"]},
    )
    assert one(of_account.proxies, context(around=around)).what == "RDS Proxy has it as a target: pool"
    assert one(of_account.maintenance, context(around=around)).what == "maintenance is pending: system-update"


@pytest.mark.parametrize(("strategy", "severity"), [("rename", Severity.NOTE), ("dns", Severity.WARNING)])
def test_cnames_follow_the_name_only_if_it_moves(strategy: StrategyName, severity: Severity) -> None:
    aliases = [("db.shop.internal", "orders.example"), ("other.shop.internal", "billing.example")]
    finding = one(of_account.cnames, context(around=Around(aliases=aliases), strategy=strategy))
    assert (finding.what, finding.severity) == ("CNAMEs point at its address: db.shop.internal", severity)


def test_hosted_zones_that_were_not_looked_at_are_told() -> None:
    around = Around(zones=[str(number) for number in range(ZONES + 2)])
    assert one(of_account.cnames, context(around=around)).what == "CNAMEs were checked in 4 of 6 hosted zones"


@pytest.mark.parametrize(("gib", "warned"), [(1.4, True), (2.1, False), (None, False)])
def test_little_storage_is_a_warning(
    gib: float | None, monkeypatch: pytest.MonkeyPatch, *, warned: bool
) -> None:
    free = gib * 2**30 if gib is not None else None
    monkeypatch.setattr(metrics, "free_storage", lambda _aws, _name: free)
    findings = findings_of(of_account.room, context())
    assert bool(findings) is warned
    if warned:
        assert findings[0].what == "its storage has 1.4 GiB free (7 %)"


def test_a_standby_is_told() -> None:
    assert "it has no standby" in str(one(of_instance.standby, context()))
    assert "gets its own, encrypted standby" in str(one(of_instance.standby, context(instance(MultiAZ=True))))


def test_backups_beyond_rds_are_told() -> None:
    assert findings_of(of_instance.backups_elsewhere, context()) == []
    source = instance(
        AwsBackupRecoveryPointArn="arn:aws:backup:eu-west-1:1:recovery-point:continuous:db-ORDERS-1",
        DBInstanceAutomatedBackupsReplications=[{"DBInstanceAutomatedBackupsArn": "arn:ab-1"}],
    )
    told = [str(finding) for finding in findings_of(of_instance.backups_elsewhere, context(source))]
    assert ["AWS Backup" in told[0], "another region" in told[1]] == [True, True]


KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
ROLE = "arn:aws:iam::123456789012:role/ci"


def allow(action: str | list[str], principal: Any, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Principal": principal, "Resource": "*"}


@pytest.mark.parametrize(
    ("statement", "warned"),
    [
        (allow("kms:*", {"AWS": "arn:aws:iam::123456789012:root"}), False),
        (allow("kms:*", {"AWS": ["arn:aws:iam::999999999999:root", "123456789012"]}), False),
        (allow(["kms:DescribeKey", "kms:CreateGrant"], {"AWS": ROLE}), False),
        (allow("kms:Create*", "*"), False),
        (allow("kms:*", {"AWS": "arn:aws:iam::999999999999:root"}), True),
        (allow("kms:*", {"AWS": "arn:aws:iam::123456789012:role/another"}), True),
        (allow("kms:Describe*", {"AWS": "arn:aws:iam::123456789012:root"}), True),
        (allow("kms:*", {"AWS": ROLE}, effect="Deny"), True),
        (allow("kms:*", {"Service": "rds.amazonaws.com"}), True),
    ],
)
def test_the_keys_policy_leaves_it_to_iam_or_names_the_caller(
    statement: dict[str, Any], *, warned: bool
) -> None:
    around = Around(
        caller="arn:aws:sts::123456789012:assumed-role/ci/run-7", policies={KEY: {"Statement": [statement]}}
    )
    messages = [str(finding) for finding in of_key.key_policy(context(around=around, key=KEY))]
    assert bool(messages) is warned
    if warned:
        assert f"allows kms:CreateGrant neither to IAM in account 123456789012 nor to {ROLE}" in messages[0]


def test_policies_for_logins_that_name_the_id_are_named() -> None:
    source = instance(IAMDatabaseAuthenticationEnabled=True)
    policies = {
        "role app, policy login": frozenset({f"arn:aws:rds-db:eu-west-1:1:dbuser:{source.resource_id}/app"}),
        "policy every-instance": frozenset({"arn:aws:rds-db:eu-west-1:1:dbuser:*/app"}),
    }
    finding = one(of_instance.logins_by_iam, context(source, Around(login_policies=policies)))
    assert finding.fix.endswith(
        "also allow the id in the output `encrypted_instance`: role app, policy login"
    )

    copied = instance("orders-encrypted")
    finding = one(of_instance.logins_by_iam, context(source, encrypted=copied))
    there = f"also allow `dbuser:{copied.resource_id}/…`; no policy of this account names the present one"
    assert finding.fix.endswith(there)


def test_policies_for_logins_that_cannot_be_read_are_no_reason_to_be_silent() -> None:
    class Denied(Around):
        @property
        def login_policies(self) -> Mapping[str, frozenset[str]]:
            raise ActionRequired("AWS denied GetAccountAuthorizationDetails")

    finding = one(
        of_instance.logins_by_iam, context(instance(IAMDatabaseAuthenticationEnabled=True), Denied())
    )
    assert "(rds-encrypt could not look for them: AWS denied GetAccountAuthorizationDetails)" in finding.fix


def test_awss_own_key_needs_no_look() -> None:
    assert list(of_key.key_policy(context(around=Around(policies={KEY: None}), key=KEY))) == []


def test_nothing_is_looked_at_once_the_names_have_begun_to_move() -> None:
    moved = instance("orders", tags={Tag.CUTOVER_BEGAN: "now"})
    plan = Plan("cutover", "online", Topology(Names("orders"), instance("orders-old"), moved))
    assert run.findings(CheckContext(FakeAws(), Around(), plan), None, remarks=True) == []


def refusing(code: str, operation: str) -> AwsCheck:
    def alarms(_check_context: CheckContext) -> list[Finding]:
        with sorted_errors("CloudWatch alarms"):
            raise ClientError({"Error": {"Code": code, "Message": "Could not find it"}}, operation)

    return alarms


@pytest.mark.parametrize(
    ("code", "policy", "words"),
    [
        ("AccessDenied", True, "not checked: alarms (not allowed: DescribeAlarms)"),
        ("InvalidAction", False, "not checked: alarms (this endpoint does not know DescribeAlarms"),
        ("Throttling", False, "not checked: alarms (AWS still throttles DescribeAlarms"),
        ("SomethingNew", False, "not checked: alarms (DescribeAlarms failed with SomethingNew"),
    ],
)
def test_the_iam_policy_is_the_remedy_only_for_what_aws_denied(
    code: str, words: str, monkeypatch: pytest.MonkeyPatch, *, policy: bool
) -> None:
    alarms = Check("alarms", Scope.PREVIEW, Severity.WARNING, refusing(code, "DescribeAlarms"))
    monkeypatch.setattr(registry, "AWS", (alarms,))
    (note,) = run.findings(context(), None, remarks=True)
    assert note.what.startswith(words)
    assert ("rds_encrypt/policies/iam-policy.json" in note.fix) is policy
    assert "The migration works without it" in note.fix or policy


@pytest.mark.parametrize(
    ("severity", "shown"),
    [
        (Severity.BLOCKING, Severity.WARNING),
        (Severity.WARNING, Severity.NOTE),
        (Severity.NOTE, Severity.NOTE),
    ],
)
def test_what_the_config_accepts_matters_less_and_quotes_the_reason(
    severity: Severity, shown: Severity, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding(severity, "no room", "orders")
    checks = [
        Check(name, Scope.BEFORE_COPY, severity, lambda _context: [finding]) for name in ("quotas", "a")
    ]
    monkeypatch.setattr(registry, "AWS", checks)
    base = context()
    accepting = replace(base, plan=replace(base.plan, accept={"quotas": "AWS raises it today."}))
    first, second = run.findings(accepting, None, remarks=False)
    assert (first.severity, second.severity) == (shown, severity)
    reason = "" if severity is shown else " You accept this: AWS raises it today."
    assert str(first) == f"orders: no room.{reason}"


# MySQL.


def test_what_mysql_refuses_to_answer_is_a_note() -> None:
    lacking = PreconditionFailed("the account lacks a privilege (1142 SELECT command denied)")
    session = FakeSession({"SELECT table_schema": lacking, "SELECT @@GLOBAL.binlog_format": [{"f": "ROW"}]})
    notes = [
        str(finding)
        for finding in mysql_findings(context(), session, tuple(Scope))
        if finding.severity is Severity.NOTE
    ]
    assert any("primary keys: the account lacks a privilege" in note for note in notes)


def test_statement_format_is_a_warning_and_the_limit_of_time_is_taken_back() -> None:
    session = FakeSession({"SELECT @@GLOBAL.binlog_format": [{"f": "STATEMENT"}]})
    findings = mysql_findings(context(), session, tuple(Scope))
    assert [finding.what for finding in findings if finding.severity is Severity.WARNING] == [
        "its binlog_format is STATEMENT"
    ]
    assert session.sent[0][0].startswith("SET SESSION max_execution_time")
    assert session.sent[-1][0] == "SET SESSION max_execution_time = 0"


@pytest.mark.parametrize(
    ("logged", "version", "warned"),
    [
        ("MIXED", (5, 7, 44), True),
        ("MIXED", (8, 0, 15), False),
        ("STATEMENT", (8, 0, 31), True),
        ("ROW", (5, 7, 44), False),
    ],
)
def test_temporary_tables_that_replicate_are_a_warning(
    logged: str, version: tuple[int, int, int], *, warned: bool
) -> None:
    answers: dict[str, Answer] = {
        "SELECT @@GLOBAL.binlog_format": [{"f": logged}],
        "SELECT COUNT(*) FROM information_schema.innodb_temp_table_info": [{"n": 2}],
    }
    findings = list(mysql.binlog_format(context(), FakeSession(answers, version)))
    text = "applications have 2 temporary tables open, which MySQL replicates with binlog_format"
    assert any(finding.what.startswith(text) for finding in findings) is warned


# IAM.


@pytest.mark.parametrize(
    ("caller", "asked"),
    [
        ("arn:aws:sts::123456789012:assumed-role/ci/run-7", "arn:aws:iam::123456789012:role/ci"),
        ("arn:aws:iam::123456789012:user/admins/eve", "arn:aws:iam::123456789012:user/admins/eve"),
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:sts::123456789012:federated-user/eve", None),
    ],
)
def test_users_and_roles_can_be_asked_about(caller: str, asked: str | None) -> None:
    assert of_caller.principal(caller) == asked


def test_each_statement_becomes_a_question_without_stars() -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1353e9c7"
    asked = list(of_caller.questions(POLICY, "eu-west-1", "123456789012", "orders", strategy="dns", key=key))
    assert [question.resource for question in asked if question.actions == ("kms:CreateGrant",)] == [key]
    # A preview reads the secret and describes the key: no need to ask whether it could.
    assert not {"secretsmanager:GetSecretValue", "kms:DescribeKey"} & {
        action for question in asked for action in question.actions
    }
    assert len(asked) > 12
    assert all("*" not in question.resource or question.resource == "*" for question in asked)
    assert all("*" not in value for question in asked for value in question.condition.values())
    old = next(
        question
        for question in asked
        if question.actions == ("rds:DeleteDBInstance",) and "-old" in question.resource
    )
    assert old.resource == "arn:aws:rds:eu-west-1:123456789012:db:orders-old"
    assert old.condition == {"aws:ResourceTag/rds-encrypt:role": "source"}


def test_dns_is_asked_about_only_where_it_is_used() -> None:
    asked = of_caller.questions(POLICY, "eu-west-1", "123456789012", "orders", strategy="rename")
    assert not any(action.startswith("route53:") for question in asked for action in question.actions)


class Simulated(Aws):
    """IAM as botocore checks it, with answers that are given beforehand."""

    def __init__(self) -> None:
        self.iam = boto3.client(
            "iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )

    @property
    def region(self) -> str:
        return "eu-west-1"


def test_what_the_simulation_denies_is_one_warning() -> None:
    aws = Simulated()
    asked = list(of_caller.questions(POLICY, "eu-west-1", "123456789012", "orders", strategy="rename"))
    with Stubber(aws.iam) as stub:
        for question in asked:
            results = [
                {
                    "EvalActionName": action,
                    "EvalDecision": "implicitDeny" if action == "rds:CopyDBSnapshot" else "allowed",
                }
                for action in question.actions
            ]
            stub.add_response("simulate_principal_policy", {"EvaluationResults": results})
        around = AccountInventory(aws)
        refused = [
            action
            for question in asked
            for action in around.not_allowed(
                "arn:aws:iam::123456789012:role/ci",
                list(question.actions),
                question.resource,
                question.condition,
            )
        ]
    assert refused == ["rds:CopyDBSnapshot"]


def test_the_caller_who_cannot_be_asked_about_is_a_note() -> None:
    around = Around(caller="arn:aws:iam::123456789012:root")
    assert one(of_caller.permissions, context(around=around)).severity is Severity.NOTE


def test_replication_filters_that_both_copies_would_inherit_block(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"read_only": ("0", "immediate"), "replicate-do-db": ("", "immediate")}
    monkeypatch.setattr(ParameterGroups, "user_values", lambda _self, _group: values)
    assert findings_of(of_account.replication_filters, context()) == []
    values["replicate-ignore-table"] = ("shop.audit", "immediate")
    found = one(of_account.replication_filters, context())
    assert found.severity is Severity.BLOCKING
    assert "replicate-ignore-table" in found.what


# MySQL, one question at a time. (On real servers: tests/sandbox/test_findings_of_mysql.py.)


def asked(question: Any, answers: dict[str, Any], what: CheckContext | None = None) -> list[Finding]:
    return list(question(what or context(), FakeSession(answers)))


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("sync_binlog", "0", "error 1236"),
        ("sync_binlog", "1000", "error 1236"),
        ("innodb_flush_log_at_trx_commit", "2", "no verification finds it"),
        ("innodb_flush_log_at_trx_commit", "1", None),
        ("binlog_row_image", "MINIMAL", "does not hold whole rows"),
        ("unique_checks", "OFF", "error 1062"),
        ("sync_binlog", "1", None),
        ("binlog_row_image", "FULL", None),
        ("unique_checks", "ON", None),
    ],
)
def test_variables_that_make_replication_unreliable(variable: str, value: str, words: str | None) -> None:
    findings = asked(mysql.settings, {"SHOW GLOBAL": [{"Variable_name": variable, "Value": value}]})
    assert [finding.severity for finding in findings] == ([Severity.WARNING] if words else [])
    assert words is None or words in findings[0].why
    assert words is None or findings[0].what == f"its {variable} is {value}"


def channel(**changes: Any) -> dict[str, Any]:
    return {"SHOW REPLICA STATUS": [replica_row(Source_Host="db.elsewhere", **changes)]}


def test_a_source_that_replicates_itself_is_refused_and_a_stopped_channel_is_a_warning() -> None:
    (running,) = asked(mysql.replicates_itself, channel(Channel_Name="billing"))
    assert running.severity is Severity.BLOCKING
    assert "from db.elsewhere (channel billing)" in running.what
    (stopped,) = asked(mysql.replicates_itself, channel(Replica_IO_Running="No", Replica_SQL_Running="No"))
    assert stopped.severity is Severity.WARNING
    assert "mysql.rds_reset_external_master()" in stopped.fix
    connecting = channel(Replica_IO_Running="Connecting", Replica_SQL_Running="No")
    assert [finding.severity for finding in asked(mysql.replicates_itself, connecting)] == [Severity.BLOCKING]
    assert asked(mysql.replicates_itself, {}) == []


@pytest.mark.parametrize(("delay", "warned"), [("3600", True), ("0", False), (None, False)])
def test_a_delay_of_new_replicas_is_told(delay: str | None, *, warned: bool) -> None:
    answers = {"SELECT value FROM mysql.rds_configuration": [{"value": delay}]}
    assert bool(asked(mysql.delay_of_replicas, answers)) is warned
    what = context()
    alone = replace(what, plan=replace(what.plan, method="offline"))
    assert asked(mysql.delay_of_replicas, answers, alone) == []


def test_the_size_of_a_large_table_without_a_key_is_told() -> None:
    tables = [{"s": "shop", "n": name, "r": 1, "b": size} for name, size in (("a", 9), ("b", 3 * 2**30))]
    (finding,) = asked(mysql.primary_keys, {"SELECT table_schema AS s, table_name AS n, COALESCE": tables})
    assert finding.what == "it has 2 tables without a primary key: shop.b (3.0 GiB), shop.a"


@pytest.mark.parametrize(
    ("grants", "words"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `admin`@`%`"], None),
        (["GRANT USAGE ON *.* TO `admin`@`%`", "GRANT `r`@`%` TO `admin`@`%`"], "lacks SELECT, PROCESS"),
        (
            ["GRANT SELECT, PROCESS, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `admin`@`%`"],
            "lacks SHOW VIEW",
        ),
        ([], None),
    ],
)
def test_the_privileges_of_the_account_are_those_of_show_grants(grants: list[str], words: str | None) -> None:
    answers: dict[str, Any] = {
        "SHOW GRANTS": [{"Grants for admin@%": grant} for grant in grants],
        "SELECT CURRENT_USER()": [{"u": "admin@%"}],
    }
    findings = asked(mysql.account, answers)
    assert bool(findings) is (words is not None)
    if words is not None:
        assert words in findings[0].what
        assert "rds_encrypt/policies/mysql-grants.sql" in findings[0].fix
