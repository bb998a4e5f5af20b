# Every target sets itself up: a fresh machine needs Python >= 3.11, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SAM_VENV := .venv-sam
SAM_READY := $(SAM_VENV)/.ready
SMOKE_VENV := .venv-smoke
SMOKE_READY := $(SMOKE_VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
# What is built, and where: Lambda's, whatever this machine is.
RUNTIME = python3.13
ARCHITECTURE = arm64
BUILD = .aws-sam/build

export SAM_CLI_TELEMETRY := 0

.PHONY: run test build smoke chaos contract bench lint types mutants openapi lock sam-validate clean

run: $(READY)
	@$(BIN)/clientway dev

test: $(READY) $(SAM_READY) $(SMOKE_READY)
	$(BIN)/pytest

# The long run of what `make test` runs a little of. Few at once: some of it looks at the clock.
chaos: $(READY)
	CLIENTWAY_CHAOS=long $(BIN)/pytest tests/chaos -n 2

# The contract against the running API: 20,000 cases and more, of which `make test` runs a few hundred.
contract: $(READY)
	CLIENTWAY_CHAOS=long $(BIN)/pytest tests/contract/test_contract.py -n 0

# Without Docker. Other versions: make build RUNTIME=python3.14 ARCHITECTURE=x86_64, and the same as parameters of sam deploy.
build: $(READY) $(SAM_READY)
	LAMBDA_RUNTIME=$(RUNTIME) LAMBDA_ARCHITECTURE=$(ARCHITECTURE) $(SAM_VENV)/bin/sam build --no-cached --build-dir $(BUILD) \
		--parameter-overrides PythonRuntime=$(RUNTIME) Architecture=$(ARCHITECTURE)
	$(BIN)/python -m clientway.local.build $(BUILD) $(RUNTIME)

# A build for this machine, and every sample event through it under Lambda's own runtime and emulator.
smoke: $(READY) $(SAM_READY) $(SMOKE_READY)
	@rm -f .aws-sam/smoke.txt
	CLIENTWAY_SMOKE=whole $(BIN)/pytest -n 0 -rfEs tests/smoke
	@cat .aws-sam/smoke.txt

# What it reaches: a table of ratios, each measured within one run. A part of it: make bench ONLY=lists
bench: $(READY) $(BENCH_READY)
	@$(BIN)/python -m benchmarks $(ONLY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutants: $(READY)
	$(BIN)/python -m tests.mutants
	$(BIN)/python -m tests.mutations

openapi: $(READY)
	$(BIN)/python -m clientway.local.openapi

sam-validate: $(SAM_READY)
	$(SAM_VENV)/bin/sam validate --lint

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Clientway needs Python 3.11 or newer; run make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

# Apart from .venv: the SAM CLI pins boto3 and pydantic to versions of its own. Installed with uv: pip refuses a lock in
# which a package is pinned without the extras that another one asks for.
$(SAM_READY): requirements/sam.txt | $(READY)
	$(PYTHON) -m venv $(SAM_VENV)
	$(BIN)/uv pip install --quiet --python $(SAM_VENV)/bin/python --require-hashes -r requirements/sam.txt
	@touch $@

# What Lambda's Python brings along: its runtime interface client and boto3. The client is made for Linux alone.
$(SMOKE_READY): requirements/smoke.txt | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SMOKE_VENV)
	if [ "$$(uname)" = Linux ]; then \
		$(BIN)/uv pip install --quiet --python $(SMOKE_VENV)/bin/python --only-binary :all: --require-hashes -r requirements/smoke.txt; fi
	@touch $@

# The usual way to write an API, which the benchmarks compare with; at our versions of what both use.
$(BENCH_READY): requirements/bench.txt | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(BENCH_VENV)
	$(BIN)/uv pip install --quiet --python $(BENCH_VENV)/bin/python --require-hashes -r requirements/bench.txt
	@touch $@

# Locks name no registry: --no-emit-index-url.
lock: $(READY)
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --extra dev -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	printf 'awslambdaric==4.2.2\nboto3\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header - -c requirements/dev.txt -o requirements/smoke.txt
	printf 'asyncpg\nfastapi\nsqlalchemy[asyncio]\nuvloop\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header - -c requirements/runtime.txt -o requirements/bench.txt
	echo 'aws-sam-cli==1.170.0' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header - -o requirements/sam.txt

clean:
	rm -rf $(VENV) $(SAM_VENV) $(SMOKE_VENV) $(BENCH_VENV) .clientway .aws-sam
