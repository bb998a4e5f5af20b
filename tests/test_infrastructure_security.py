"""What was agreed for template.yaml, executed: permissions, data, the network, and who vouches for the database."""

import json
import re
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from tests.sam import DATABASE_ROLES, DOCUMENT, FUNCTIONS, GLOBALS, RESOURCES, ROOT, TEXT, expanded, listed, of_type, references, statements

# ---- Permissions


# The statements whose resource is not one of ours, and what it ends in.
WILDCARDS = {
    "Traces": "*",
    "Network": "*",
    "Mail": "identity/*",
    "StripeSecrets": "parameter/${AWS::StackName}/stripe/*",
    "Invoke": "${AWS::AccountId}:function:*",
    "Texts": "sms-voice:${AWS::Region}:${AWS::AccountId}:*",
    "Entries": "schedule/${WakeGroup}/*",
}


def test_a_wildcard_stands_below_its_reason():
    lines = TEXT.splitlines()
    for sid in (*WILDCARDS, "NetworkNotByCode"):
        number = next(number for number, line in enumerate(lines) if f"Sid: {sid}" in line)
        assert any(line.strip().startswith("# ") for line in lines[number - 2 : number]), sid


def test_the_gateway_may_call_the_functions_of_its_stack_and_nobody_else_may_call_any():
    stack = {"Ref": "AWS::StackName"}
    (one,) = statements(RESOURCES["ApiInvokeRole"]["Properties"]["Policies"])
    assert one["Action"] == "lambda:InvokeFunction"
    assert one["Condition"] == {"StringEquals": {"aws:ResourceTag/ClientwayStack": stack}}
    (trust,) = RESOURCES["ApiInvokeRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "apigateway.amazonaws.com"}

    made = expanded()["Resources"]
    tags = {name: made[name]["Properties"]["Tags"] for name in FUNCTIONS}
    assert [name for name, told in tags.items() if {"Key": "ClientwayStack", "Value": stack} not in told] == []
    # Nothing else has the tag or the right: neither a role of ours, nor a service by a permission, but for the lines of the logs.
    # One-shot schedules start the functions that look for what is due, and no others.
    (wake,) = statements(RESOURCES["WakeRole"]["Properties"]["Policies"])
    assert (wake["Action"], sorted(references(wake["Resource"]))) == ("lambda:InvokeFunction", ["DispatchReminders", "TendMessages"])
    others = {name: one for name, one in of_type("AWS::IAM::Role").items() if name not in {"ApiInvokeRole", "WakeRole"}}
    assert "lambda:" not in json.dumps([listed(said.get("Action")) for one in others.values() for said in statements(one)])
    permissions = [one["Properties"] for one in made.values() if one["Type"] == "AWS::Lambda::Permission"]
    assert {json.dumps(one["Principal"]) for one in permissions} == {'"logs.amazonaws.com"'}


def test_roles_allow_named_actions_on_named_resources():
    for name, resource in of_type("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in resource["Properties"], name
        allowed = [one for one in statements(resource["Properties"]["Policies"]) if one["Effect"] == "Allow"]
        assert allowed
        for one in allowed:
            assert not [action for action in listed(one["Action"]) if "*" in action], (name, one)
            for target in listed(one["Resource"]):
                wild = json.dumps(target).strip('"').removesuffix('"}')
                if wild.endswith("*") and not wild.endswith("ImportBucket.Arn}/*"):
                    assert wild.endswith(WILDCARDS[one["Sid"]]), (name, one)


def test_a_role_opens_the_database_as_its_own_user_only():
    users = {"ApiRole": {"clientway_app"}, "ConsumerRole": {"clientway_job"}, "SchedulerRole": {"clientway_job"}}
    users |= {"MessengerRole": {"clientway_job"}, "WakerRole": set(), "WakeRole": set()}
    users |= {"SenderRole": set(), "ApiInvokeRole": set()}
    users |= {"MigratorRole": {"clientway_admin", "${DatabaseAdmin}"}, "ProxyRole": {"clientway_app", "clientway_job"}}
    for name, resource in of_type("AWS::IAM::Role").items():
        connects = [one for one in statements(resource["Properties"]["Policies"]) if one["Action"] == "rds-db:connect"]
        told = json.dumps([one["Resource"] for one in connects])
        assert set(re.findall(r"(?:dbuser:\$\{\w+(?:\.\w+)?\}|ResourceId\})/([^\"]+)\"", told)) == users[name], name


def test_the_functions_own_code_may_not_touch_the_network():
    for name in DATABASE_ROLES:
        denied = [one for one in statements(RESOURCES[name]["Properties"]["Policies"]) if one["Effect"] == "Deny"]
        assert [(one["Action"], list(one["Condition"]["ArnLike"])) for one in denied] == [("ec2:*", ["lambda:SourceFunctionArn"])]


# ---- Data


def test_what_holds_data_says_what_becomes_of_it():
    kinds = (
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
        "AWS::KMS::Key",
        "AWS::Cognito::UserPool",
    )
    said = {name: (one.get("DeletionPolicy"), one.get("UpdateReplacePolicy")) for name, one in of_type(*kinds).items()}

    assert said == {
        "Key": ("Retain", "Retain"),
        "SigningKey": ("Delete", "Delete"),
        "IdentityKey": ("Retain", "Retain"),
        "AdminPassword": ("Delete", "Delete"),
        "TicketKey": ("Delete", "Delete"),
        "ImportBucket": ("Retain", "Retain"),
        "Cluster": ("Snapshot", "Snapshot"),
        "Writer": ("Delete", "Delete"),
        "StandbyInstance": ("Delete", "Delete"),
        "UserPool": ("Retain", "Retain"),
    }
    cluster = RESOURCES["Cluster"]["Properties"]
    assert cluster["StorageEncrypted"] is True
    assert cluster["EnableIAMDatabaseAuthentication"] is True
    assert DOCUMENT["Parameters"]["DatabaseDeletionProtection"]["Default"] == "true"
    assert RESOURCES["DatabaseParameters"]["Properties"]["Parameters"] == {"rds.force_ssl": "1"}
    assert [name for name, one in of_type("AWS::RDS::DBInstance").items() if one["Properties"]["PubliclyAccessible"] is not False] == []


def test_a_new_signing_key_is_known_to_who_reads_links_before_anybody_signs_with_it():
    signers = {name for name, one in RESOURCES.items() if "Unsubscribe" in listed(one.get("DependsOn", []))}
    # Who makes links: campaigns for each recipient, and single mails when they are asked for.
    assert signers == {"SendCampaign", "EmailMessages"}


def test_buckets_and_queues_are_encrypted_and_take_nothing_in_clear():
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    for name, one in of_type("AWS::S3::Bucket").items():
        (rule,) = one["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert set(one["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        policies = [policy for policy in of_type("AWS::S3::BucketPolicy").values() if policy["Properties"]["Bucket"] == {"Ref": name}]
        assert [(deny["Effect"], deny["Condition"]) for policy in policies for deny in statements(policy)] == [("Deny", insecure)]

    queues = of_type("AWS::SQS::Queue")
    assert [name for name, one in queues.items() if one["Properties"].get("SqsManagedSseEnabled") is not True] == []
    policies = of_type("AWS::SQS::QueuePolicy").values()
    # A queue has one policy: a second one would replace it.
    assert sorted(queue["Ref"] for policy in policies for queue in policy["Properties"]["Queues"]) == sorted(queues)
    for policy in policies:
        deny, *allowed = statements(policy)
        assert (deny["Effect"], deny["Principal"], deny["Action"], deny["Condition"]) == ("Deny", "*", "sqs:*", insecure)
        for one in allowed:
            # Services of AWS, and of those only what is ours.
            assert set(one["Principal"]) == {"Service"}
            assert one["Action"] == "sqs:SendMessage"
            assert one["Condition"]["ArnEquals"]["aws:SourceArn"]


def test_there_is_no_way_into_the_network_and_none_out_over_ipv4():
    kinds = {resource["Type"] for resource in RESOURCES.values()}

    assert kinds & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway"} == set()
    assert [route["Properties"]["DestinationIpv6CidrBlock"] for route in of_type("AWS::EC2::Route").values()] == ["::/0"]
    for name, group in of_type("AWS::EC2::SecurityGroup").items():
        assert all("SourceSecurityGroupId" in rule for rule in group["Properties"].get("SecurityGroupIngress", [])), name
        assert group["Properties"]["SecurityGroupEgress"], f"{name}: without any, AWS allows all"


CERTIFICATES = sorted((ROOT / "shared" / "clientway" / "certificates").glob("*.pem"))


@pytest.mark.parametrize("file", CERTIFICATES, ids=lambda file: file.stem)
def test_the_authorities_of_a_region_are_those_that_vouch_for_its_databases(file):
    context = ssl.create_default_context(cafile=file)
    held = context.get_ca_certs()
    names = {dict(part[0] for part in one["subject"])["commonName"] for one in held}

    region = {f"Amazon RDS {file.stem} Root CA {key} G1" for key in ("ECC384", "RSA2048", "RSA4096")}
    # The proxy shows certificates of Amazon's public authorities.
    assert names == region | {
        *(f"Amazon Root CA {number}" for number in (1, 2, 3, 4)),
        "Starfield Services Root Certificate Authority - G2",
    }
    soon = datetime.now(UTC) + timedelta(days=365)
    assert all(datetime.fromtimestamp(ssl.cert_time_to_seconds(one["notAfter"]), UTC) > soon for one in held)


def test_the_package_brings_the_authorities_of_the_usual_regions():
    assert {file.stem for file in CERTIFICATES} >= {
        "us-east-1",
        "us-east-2",
        "us-west-2",
        "eu-central-1",
        "eu-west-1",
        "ap-southeast-2",
        "sa-east-1",
    }
    path = GLOBALS["Environment"]["Variables"]["DATABASE_CA_FILE"]["Fn::If"][1]["Fn::Sub"]
    assert path == "/opt/python/clientway/certificates/${AWS::Region}.pem"
