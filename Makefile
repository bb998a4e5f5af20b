# Every target sets itself up: a fresh machine needs Python >= 3.11, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SAM_VENV := .venv-sam
SAM_READY := $(SAM_VENV)/.ready

export SAM_CLI_TELEMETRY := 0

.PHONY: run test chaos lint types mutants openapi lock sam-validate clean

run: $(READY)
	@$(BIN)/clientway dev

test: $(READY) $(SAM_READY)
	$(BIN)/pytest

# The long run of what `make test` runs a little of. Few at once: some of it looks at the clock.
chaos: $(READY)
	CLIENTWAY_CHAOS=long $(BIN)/pytest tests/chaos -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutants: $(READY)
	$(BIN)/python -m tests.mutants

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
$(SAM_READY): requirements/sam.txt $(READY)
	$(PYTHON) -m venv $(SAM_VENV)
	$(BIN)/uv pip install --quiet --python $(SAM_VENV)/bin/python --require-hashes -r requirements/sam.txt
	@touch $@

# Locks name no registry: --no-emit-index-url.
lock: $(READY)
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --extra dev -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	echo 'aws-sam-cli==1.170.0' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header - -o requirements/sam.txt

clean:
	rm -rf $(VENV) $(SAM_VENV) .clientway .aws-sam
