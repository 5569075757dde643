# Everything starts here, with make and Python alone: `make run`, `make test`. Safe to repeat.

PYTHON  ?= python3
WORKERS ?= 2

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready

# The Gymnasium versions that the conformance tests must pass on; all inside pyproject.toml's range.
GYMNASIUM_VERSIONS ?= 1.1.0 1.2.2 1.4.0
CONFORMANCE        ?= tests/conformance tests/envs

# Clients of the environments, with what they need that .venv lacks.
CLIENTS ?= torchrl==0.14.1 tensordict==0.14.3 hoptorch==0.1.4 pyvers==0.2.3 orjson==3.13.0 \
	importlib-metadata==10.2.0 zipp==4.1.2 skrl==2.1.1 minari==0.5.4 jax==0.10.2 jaxlib==0.10.2 \
	ml-dtypes==0.6.0 opt-einsum==3.4.0 mo-gymnasium==1.3.2 pygame==2.6.1

# Numba versions, each with its llvmlite, on which kernels are linked besides that of
# constraints.txt (LINKED_VERSIONS in microgym/jit), and the smoke test that they must pass.
NUMBA_VERSIONS ?= 0.66.0:0.48.0 0.67.0:0.49.0 0.68.0:0.50.0
NUMBA_SMOKE    ?= tests/microgym/jit tests/conformance/test_compilation.py \
	tests/conformance/test_golden.py

# One BLAS and one PyTorch thread a process: small networks run slower on more.
export OMP_NUM_THREADS ?= 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup run test lint types test-fast test-slow test-gymnasium test-numba test-minimal test-clients test-independent pages bench clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 26

setup: $(READY) ## prepare .venv (about a minute, once)

$(READY): pyproject.toml setup.py constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.version_info >= (3, 11) or sys.exit("microgym needs Python 3.11 or newer, and \"$(PYTHON)\" is Python " + v + ". Name another: make PYTHON=python3.12 ...")'
	@echo "Preparing $(VENV): about a minute, longer where PyTorch is downloaded; details in $(VENV)/setup.log"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]" > $(VENV)/setup.log 2>&1 \
		|| { tail -n 25 $(VENV)/setup.log; echo "The installation failed; the whole log is in $(VENV)/setup.log"; exit 1; }
	@touch $@

run: setup ## train on Ptycho-v0 from scratch, score it, write report.html
	@$(BIN)/microgym report Ptycho-v0 --train --output report.html

test: setup lint types ## lint, check types and floors, run the tests
	@$(BIN)/python -m pytest -q -n $(WORKERS) $(PYTEST_FLAGS)

lint: setup
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "Not formatted; run: $(BIN)/ruff format"; exit 1; }
	@$(BIN)/lint-imports --no-cache > $(VENV)/imports.log 2>&1 || { cat $(VENV)/imports.log; exit 1; }
	@echo "lint, format and imports between floors: fine"

types: setup
	@$(BIN)/pyright

test-fast: setup ## the tests alone, first failure stops
	@$(BIN)/python -m pytest -q -x -n $(WORKERS) $(PYTEST_FLAGS)

test-slow: setup ## also the slow tests: trainings, an independent package, the wheel
	@$(BIN)/python -m pytest -q -m slow $(PYTEST_FLAGS)

# Each version is laid over .venv, in a folder of its own that comes first on the path; the
# processes that the tests start inherit it.
test-gymnasium: setup ## the conformance tests on Gymnasium 1.1, 1.2.2 and 1.4
	@failed=""; for version in $(GYMNASIUM_VERSIONS); do \
		place="$(CURDIR)/.venvs/gymnasium-$$version"; \
		test -e "$$place/.ready" \
			|| { rm -rf "$$place"; $(BIN)/python -m pip install -qq --no-deps --target "$$place" "gymnasium==$$version" && touch "$$place/.ready"; } \
			|| exit 1; \
		PYTHONPATH="$$place" $(BIN)/python -c "import gymnasium as g; assert g.__version__ == '$$version', g.__version__; print('Gymnasium', g.__version__)" || exit 1; \
		PYTHONPATH="$$place" $(BIN)/python -m pytest -q -p no:cacheprovider -n $(WORKERS) $(PYTEST_FLAGS) $(CONFORMANCE) || failed="$$failed $$version"; \
	done; \
	test -z "$$failed" || { echo "Failed on Gymnasium$$failed"; exit 1; }

test-numba: setup ## the compiled code and the golden trajectories on Numba 0.66, 0.67 and 0.68
	@failed=""; for pair in $(NUMBA_VERSIONS); do \
		version="$${pair%:*}"; place="$(CURDIR)/.venvs/numba-$$version"; \
		test -e "$$place/.ready" \
			|| { rm -rf "$$place"; $(BIN)/python -m pip install -qq --no-deps --target "$$place" "numba==$$version" "llvmlite==$${pair#*:}" && touch "$$place/.ready"; } \
			|| exit 1; \
		export PYTHONPATH="$$place" NUMBA_CACHE_DIR="$$place/cache"; \
		$(BIN)/python -c "import numba as n; assert n.__version__ == '$$version', n.__version__; from microgym import jit; assert jit.WAY == 'linked'; print('Numba', n.__version__)" || exit 1; \
		$(BIN)/python -m pytest -q -p no:cacheprovider -n $(WORKERS) $(PYTEST_FLAGS) $(NUMBA_SMOKE) || failed="$$failed $$version"; \
	done; \
	test -z "$$failed" || { echo "Failed on Numba$$failed"; exit 1; }

test-minimal: setup ## the environments in an installation without PyTorch
	@$(BIN)/python -m pytest -q -m slow $(PYTEST_FLAGS) tests/slow/test_minimal.py

# As with Gymnasium's versions; --no-deps leaves PyTorch and the rest as they are.
test-clients: setup ## every environment in TorchRL, skrl, Minari, MO-Gymnasium and vector wrappers
	@place="$(CURDIR)/.venvs/clients"; test -e "$$place/.ready" || { rm -rf "$$place"; \
		$(BIN)/python -m pip install -qq --no-deps --target "$$place" $(CLIENTS) && touch "$$place/.ready"; }
	@PYTHONPATH="$(CURDIR)/.venvs/clients" $(BIN)/python -m pytest -q -p no:cacheprovider -m slow $(PYTEST_FLAGS) tests/slow/test_clients.py

# CDTools is laid in a folder of its own that only this test looks into: it asks for packages, and
# versions of them, that the rest can do without.
test-independent: setup ## the forward model against CDTools, a package by others
	@place="$(CURDIR)/.venvs/independent"; test -e "$$place/.ready" || { rm -rf "$$place"; \
		$(BIN)/python -m pip install -qq --no-deps --target "$$place" "cdtools-py==0.3.2" && touch "$$place/.ready"; }
	@$(BIN)/python -m pytest -q -m slow tests/slow/test_independent_package.py

pages: setup ## rewrite docs/ and the README's table from source and results
	@$(BIN)/microgym report --pages --readme

bench: setup ## time the simulator and the classical update
	@$(BIN)/microgym bench

clean: ## remove everything that these commands made
	rm -rf $(VENV) .venvs build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .coverage runs report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
