# make demo    simulated machines, a broker, the real service, a live view        ARGS="--seconds 30 --json"
# make test    the whole test suite, with real servers where they can be had      ARGS="-k journal"
# make check   format, lint, types, import rules, known vulnerabilities, systemd units
# make faults  real faults on the real service, row by row against an undisturbed run
# make mutants faults planted in the code that has changed, one at a time: a test must notice each
#              ARGS=--all for all stages, decisions and gates, or ARGS=monitor/signal/windows.py
# make dist    sdist and wheel in dist/
# make bench   cost of each stage, and whole-pipeline windows/s beside a peer     ARGS=--json
#              or the largest number of live sensors through a broker        ARGS="--live --json"
# Each makes .venv and installs what it needs. The first run takes minutes, later ones seconds.

BIN := .venv/bin
# Tests often wait for a server: three workers more than there are processors, five at most.
# nproc takes OMP_NUM_THREADS for the number of processors.
WORKERS := $(shell n=$$(env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 1); [ $$n -lt 2 ] && echo 3 || echo 5)
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet

.PHONY: demo test check faults mutants bench dist format constraints picture clean

demo: .venv/demo.stamp
	$(BIN)/camshaft demo $(ARGS)

test: .venv/development.stamp
	@deploy/prepare.sh servers
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/development.stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@tests/page/check_scripts.sh
	$(BIN)/python constraints/audit.py
	$(BIN)/python -m pytest -q tests/deploy/test_systemd.py -k "units_are_clean or exposure or together"

faults: .venv/development.stamp
	@deploy/prepare.sh servers
	$(BIN)/python -m tests.faults $(ARGS)

mutants: .venv/development.stamp
	$(BIN)/python -m tests.mutants $(ARGS)

bench: .venv/development.stamp
	$(BIN)/python -m tests.benchmarks $(ARGS)

dist: .venv/development.stamp
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

format: .venv/development.stamp
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# The pictures in README.md and docs/configure.md.
picture: .venv/development.stamp
	$(BIN)/camshaft demo --seconds 60 --picture docs/demo.svg
	$(BIN)/python -m tests.discovery.picture docs/discover.svg

# Take the newest versions that pyproject.toml allows.
constraints: .venv/development.stamp
	constraints/compile.sh

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .cache

.venv/python.stamp:
	python=$$(deploy/prepare.sh python) && "$$python" -m venv --clear .venv
	touch $@

# What constraints/*.txt names is installed only if its hash agrees. --no-deps: Camshaft's own metadata may add nothing.
.venv/%.stamp: constraints/%.txt pyproject.toml .venv/python.stamp
	@echo "installing constraints/$*.txt into .venv"
	$(PIP) install --require-hashes --only-binary :all: -r constraints/$*.txt
	PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation --editable .
	touch $@
