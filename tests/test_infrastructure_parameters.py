"""What template.yaml's parameters do, and that the files beside it know them: samconfig.toml, variables for sam local, the guide."""

import json
import re
import tomllib
from typing import Any

import pytest

from clientway.config import settings
from tests.sam import (
    DOCUMENT,
    FUNCTIONS,
    ROOT,
    deployed,
    environment,
    of_type,
    references,
)

ELSEWHERE = {"CreateDatabase": "false", "DatabaseHost": "db.example"}
SETTINGS = {
    "as it is": {},
    "kept awake, with a standby": {"DatabaseMinCapacity": "0.5", "DatabaseStandby": "true"},
    "proxy": {"UseRdsProxy": "true"},
    "endpoint": {"SqsAccess": "endpoint"},
    "restored": {"DatabaseHost": "restored.example", "DatabaseResourceId": "cluster-1"},
    "own database in a network": {**ELSEWHERE, "DatabaseResourceId": "db-1", "SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"},
    "own database with passwords": {**ELSEWHERE, "DatabaseIam": "false", "DatabaseCaFile": "ca.pem"},
    "own everything": {
        "DomainName": "api.example",
        "CertificateId": "1",
        "HostedZoneId": "Z",
        "MailIdentity": "example.com",
        "OidcIssuer": "https://id.example",
        "OidcAudience": "a",
        "KmsKeyArn": "arn:aws:kms:::key/1",
        "AlarmEmail": "a@b.example",
    },
    "own topic": {"AlarmTopicArn": "arn:aws:sns:::t"},
}


@pytest.mark.parametrize("parameters", SETTINGS.values(), ids=SETTINGS)
def test_nothing_refers_to_what_is_not_made(parameters):
    made = deployed(**parameters)
    there = {*made["Resources"], *DOCUMENT["Parameters"]}
    dangling = {
        (name, missing)
        for name, one in {**made["Resources"], **made["Outputs"]}.items()
        for missing in references(one) - there
        if not missing.startswith("AWS::") and missing not in _variables(one)
    }

    assert dangling == set()


def _variables(value: Any) -> set[str]:
    """The names that the `Sub`s in a value define themselves."""
    if isinstance(value, dict):
        own = set(value["Fn::Sub"][1]) if isinstance(value.get("Fn::Sub"), list) else set()
        return own.union(*(_variables(inner) for inner in value.values()))
    return set().union(*(_variables(inner) for inner in value)) if isinstance(value, list) else set()


def test_what_the_parameters_ask_for_is_what_is_made():
    def kinds(**parameters):
        return {one["Type"] for one in deployed(**parameters)["Resources"].values()}

    def function(**parameters):
        return deployed(**parameters)["Resources"]["Organizations"]["Properties"]

    network = {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::RDS::DBCluster", "AWS::EC2::EgressOnlyInternetGateway"}
    assert network <= kinds()
    assert "AWS::RDS::DBProxy" not in kinds()
    assert {one for one in kinds(**ELSEWHERE) if one.startswith(("AWS::EC2", "AWS::RDS"))} == set()
    assert "AWS::EC2::EgressOnlyInternetGateway" not in kinds(SqsAccess="endpoint")
    assert function()["VpcConfig"]["SubnetIds"] == [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}]
    assert function(**SETTINGS["own database in a network"])["VpcConfig"]["SubnetIds"] == {"Ref": "SubnetIds"}
    assert "VpcConfig" not in function(**ELSEWHERE)
    assert "VpcConfig" not in deployed()["Resources"]["SendMail"]["Properties"]

    def cluster(**parameters):
        return deployed(**parameters)["Resources"]["Cluster"]["Properties"]["ServerlessV2ScalingConfiguration"]

    # Aurora refuses the one without the other.
    assert "SecondsUntilAutoPause" in cluster()
    assert "SecondsUntilAutoPause" not in cluster(DatabaseMinCapacity="0.5")

    def opens(**parameters):
        return "rds-db:connect" in json.dumps(deployed(**parameters)["Resources"]["ApiRole"])

    assert opens()
    assert not opens(**SETTINGS["own database with passwords"])


def test_parameters_are_described_and_secret_ones_not_shown():
    parameters = DOCUMENT["Parameters"]

    assert [name for name, one in parameters.items() if not one.get("Description") or "Default" not in one] == []
    assert [name for name, one in parameters.items() if "Password" in name and not one.get("NoEcho")] == []
    assert {name for name in parameters if name not in references(DOCUMENT)} == set()


# ---- The files beside it


def test_what_sam_local_sets_is_what_functions_read(monkeypatch):
    given = json.loads((ROOT / "docs" / "sam-local.json").read_text())["Parameters"]
    declared = {variable for name in FUNCTIONS for variable in environment(name)}

    # SAM passes over what the template does not declare.
    assert set(given) <= declared
    for name in ("DATABASE_CA_FILE", *declared):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    read = settings()
    assert all(
        getattr(read, name.lower(), None) for name in given if name not in {"ADMIN_DATABASE_URL", "DATABASE_IAM"} and "_KEY" not in name
    )
    monkeypatch.undo()
    settings.cache_clear()


def test_sam_deploys_with_parameters_that_there_are():
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for name in ("default", "prod"):
        deploy = config[name]["deploy"]["parameters"]
        given = dict(one.split("=", 1) for one in deploy.get("parameter_overrides", []))
        assert set(given) <= set(DOCUMENT["Parameters"])
        for parameter, value in given.items():
            allowed = DOCUMENT["Parameters"][parameter].get("AllowedValues", [value])
            assert value in map(str, allowed)
            assert re.fullmatch(DOCUMENT["Parameters"][parameter].get("AllowedPattern", ".*"), value)
        # Every role is unnamed, so that this is enough.
        assert deploy["capabilities"] == ["CAPABILITY_IAM"]


def test_the_guide_explains_every_parameter_output_and_alarm():
    guide = (ROOT / "docs" / "deployment.md").read_text()
    named = [*DOCUMENT["Parameters"], *DOCUMENT["Outputs"], *of_type("AWS::CloudWatch::Alarm")]

    assert [name for name in named if f"`{name}`" not in guide] == []
