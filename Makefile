# `make` lists what there is to make.

PYTHON  ?= python3
ENGINE  ?= 8.0
# 1: the transactions of the demo, and of `make chaos-cutover`, have GTIDs.
GTIDS   ?=
# The MySQL servers that `make setup` gets; any other is fetched when it is first used.
SERVERS ?= $(ENGINE)
N       ?= 200
PAIRS   ?= 5
STRATEGY ?= rename
MINUTES ?= 60
COUNTS  ?= 1 10
MOMENTS ?= 1
FENCE   ?= read_only
PY      := .cache/venv/bin/python
SOURCES := $(wildcard rds_encrypt providers components dev tests examples/workflows __main__.py)
# They wait for servers much of the time, so four at once keep two processors busy.
WORKERS ?= 4
# A file's tests share servers. The long files begin, so that no worker is left alone with one at the end.
IN_FILES := --dist loadfile --no-loadscope-reorder
# A sample of what `make chaos-cutover` does; the rest of tests/chaos takes longer and is `make test-long`.
CHAOS   := tests/chaos/test_cutover.py tests/chaos/test_no_dead_ends.py tests/chaos/procedure/test_sample.py
LONG    := tests/chaos/test_fence_edges.py tests/chaos/test_rollback_path.py tests/chaos/test_expired_credentials.py tests/chaos/test_given_up.py \
           tests/chaos/test_late_answers.py tests/chaos/test_meddling.py tests/chaos/test_slow_renames.py \
           tests/chaos/test_cascade.py

# The language host takes the Python that is first on PATH.
export PATH := $(CURDIR)/.cache/venv/bin:$(CURDIR)/.cache/bin:$(PATH)
# The engine starts Python for each command: where it may not keep what it compiled, that is six seconds each time.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/compiled

heading = @printf '\n\033[1m%s\033[0m\n' $(1)

.DEFAULT_GOAL := help
.PHONY: help setup sandbox sandbox-down env demo rehearsal lint format test test-unit test-long docs-errors docs-configuration docs-first-hour chaos soak chaos-cutover chaos-replicas chaos-rehearsals chaos-no-dead-ends bench bench-full bench-cutover bench-verification bench-preview bench-fleet bench-catch-up clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1mmake %-20s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## get the tool chain: Pulumi, Python packages, a MySQL server (into .cache/; SERVERS=all)
	@$(PYTHON) dev/tools/setup.py $(addprefix --server ,$(SERVERS))

demo: setup ## encrypt a running database, start to end (ENGINE=8.0, 9.7 or 5.7; GTIDS=1, REPLICAS=2)
	@$(PY) -m dev.demo --engine $(ENGINE) $(if $(GTIDS),--gtids) $(if $(REPLICAS),--replicas $(REPLICAS))

sandbox: setup ## start a local RDS with a seeded database and leave it running
	@$(PY) -m dev.sandbox up

sandbox-down: ## stop it
	@$(PY) -m dev.sandbox down

env: ## print the exports that point a shell at the running sandbox: eval "$(make -s env)"
	@$(PY) -m dev.sandbox env

rehearsal: setup ## rehearse against the local RDS: all phases twice on a copy, measured and removed (ENGINE=…)
	@$(PY) -m dev.demo.rehearsal --engine $(ENGINE)

lint: setup ## ruff, mypy, import-linter and actionlint
	$(call heading,'ruff')
	@ruff check .
	@ruff format --check .
	$(call heading,'mypy')
	@mypy $(SOURCES)
	$(call heading,'import-linter')
	@lint-imports --cache-dir .cache/import-linter
	$(call heading,'actionlint')
	@go -C dev/tools/actionlint tool actionlint $(wildcard $(CURDIR)/.github/workflows/*.yml $(CURDIR)/examples/workflows/*.yml)

format: setup ## let ruff put the code in order
	@ruff check --fix --quiet . ; ruff format .

test: SERVERS = 8.0 5.7 8.0.15
test: setup ## the whole gate: lint, unit, sandbox and engine tests, and a few interrupted cutovers
	@# From Debian, not from Maven: where that cannot be, the rest is tested all the same.
	@$(PYTHON) dev/tools/setup.py --only-servers --server 9.7 || echo 'MySQL 9.7 is not to be had: its tests are skipped'
	@# mypy uses one processor: the unit tests use the other.
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint test-unit
	$(call heading,'a sample of tests/chaos and all of tests/engine and tests/conformance and tests/sandbox')
	@$(PY) -m pytest -q -n $(WORKERS) $(IN_FILES) --durations 20 $(CHAOS) tests/engine tests/conformance tests/sandbox

test-long: setup ## what the gate leaves out: what others do meanwhile, late answers, expired credentials, old states, rare clients, replicas of replicas, grants on 5.7 and 9.7, 500 tables
	@WRITES_BEFORE_ROLLBACK=60 $(PY) -m pytest -q $(LONG)
	@ENGINE=5.7 $(PY) -m pytest -q tests/engine/test_least_privilege.py
	@ENGINE=9.7 $(PY) -m pytest -q tests/engine/test_least_privilege.py
	@CASES=250 $(PY) -m pytest -q tests/sandbox/test_verification_properties.py

chaos: setup ## interrupt every phase and destroy, at every step, on both engines (SEED=…, ENGINE=…, MOMENTS=1 to 3 of each step)
	@$(PY) -m pytest -q tests/chaos/procedure
	@$(PY) -m tests.chaos.procedure --moments $(MOMENTS) $(if $(filter command line environment,$(origin ENGINE)),--engine $(ENGINE)) $(if $(SEED),--seed $(SEED))

soak: setup ## migrate back to back for an hour, and look for leaks (MINUTES=…, ENGINE=…)
	@$(PY) -m tests.chaos.soak --minutes $(MINUTES) --engine $(ENGINE)

chaos-cutover: setup ## interrupt cutovers and rollbacks, 200 times and more (N=…, SEED=…, ENGINE=…, FENCE=accounts, STRATEGY=…, GTIDS=1)
	@$(PY) -m tests.chaos --interruptions $(N) --engine $(ENGINE) --fence $(FENCE) --strategy $(STRATEGY) $(if $(GTIDS),--gtids) $(if $(SEED),--seed $(SEED))

chaos-no-dead-ends: N = 60
chaos-no-dead-ends: setup ## let what production does not need fail for good in mid-cutover, 60 times (N=…, SEED=…, STRATEGY=rename or none)
	@$(PY) -m tests.chaos.dead_ends --cases $(N) --strategy $(STRATEGY) $(if $(SEED),--seed $(SEED))

chaos-rehearsals: N = 10
chaos-rehearsals: setup ## kill a rehearsal 10 times, then resume or remove it (N=…, SEED=…)
	@$(PY) -m tests.chaos.rehearsals --points $(N) $(if $(SEED),--seed $(SEED))

chaos-replicas: N = 42
chaos-replicas: setup ## interrupt the moves of a replica's name, 42 times (N=…, SEED=…)
	@$(PY) -m tests.chaos.replica_moves --points $(N) $(if $(SEED),--seed $(SEED))

bench: setup ## measure everything in one table, in some ten minutes (ONLY="in-sync calls", FLEET="1 4", ENGINE=…)
	@$(PY) -m dev.bench --engine $(ENGINE) $(if $(ONLY),--only $(ONLY)) $(if $(FLEET),--sources $(FLEET))

bench-full: setup ## the same with more and larger runs, up to 50 sources and 2 GB: hours (ONLY=…, ENGINE=…)
	@$(PY) -m dev.bench --full --engine $(ENGINE) $(if $(ONLY),--only $(ONLY)) $(if $(FLEET),--sources $(FLEET))

bench-cutover: setup ## measure the cutover against the plain runbook (PAIRS=…, STRATEGY=rename or dns, ENGINE=…)
	@$(PY) -m dev.bench.cutover --pairs $(PAIRS) --strategy $(STRATEGY) --engine $(ENGINE)

bench-preview: setup ## measure `pulumi preview`, preflight and plan included (COUNTS="1 10", REPLICAS=1)
	@$(PY) -m dev.bench.preview --sources $(COUNTS) $(if $(REPLICAS),--replicas $(REPLICAS))

docs-errors: setup ## provoke every fault and write docs/errors.md
	@RDS_ENCRYPT_WRITE_ERRORS=1 $(PY) -m pytest -q tests/engine/test_faults.py

docs-configuration: setup ## write docs/configuration.md from Pulumi.yaml and the settings
	@$(PY) dev/tools/configuration_page.py

docs-first-hour: setup ## type what a newcomer types, and write docs/first-hour.md
	@$(PY) -m dev.demo.first_hour

bench-fleet: setup ## measure many sources in one stack (FLEET="1 10 50", ENGINE=…)
	@$(PY) -m dev.bench.fleet --engine $(ENGINE) $(if $(FLEET),--sources $(FLEET))

bench-verification: setup ## measure the verification against CHECKSUM TABLE and pt-table-checksum (ROWS=…, ENGINE=…)
	@$(PY) -m dev.bench.verification --engine $(ENGINE) $(if $(ROWS),--rows $(ROWS))

bench-catch-up: setup ## measure catching up against the plain replica (MEGABYTES=…, ENGINE=…)
	@$(PY) -m dev.bench.catch_up --engine $(ENGINE) $(if $(MEGABYTES),--megabytes $(MEGABYTES))

test-unit: setup ## the quick tests only
	$(call heading,'tests/unit')
	@$(PY) -m pytest -q -n $(WORKERS) tests/unit

clean: ## remove everything that was made, the tool chain included
	@if [ -x $(PY) ] && [ -d .cache/sandbox ]; then $(PY) -m dev.sandbox down; fi
	@rm -rf .cache .venv build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
