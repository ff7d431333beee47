# make setup | demo | test | lint | bench. Needs Python >= 3.11, make and a C compiler; everything else goes into .venv.

EXTRAS := ros,robot,learner,sim,gym,lerobot,baselines,dev
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

# The first interpreter that is new enough; name another with `make PYTHON=...`.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# The ROS wheels re-execute Python with these two set; inherited from another environment they point to its libraries.
unexport LD_LIBRARY_PATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
# A sourced apt ROS 2 would be imported instead of the pinned wheels.
unexport PYTHONPATH
unexport AMENT_PREFIX_PATH

.PHONY: setup demo test lint bench help
.DEFAULT_GOAL := help

help:
	@echo "make setup                 create .venv and install everything into it"
	@echo "make demo [ARGS='...']     a simulated robot learns live over ROS 2 (options: $(BIN)/robot-mbrl demo --help)"
	@echo "make test [ARGS='...']     run the tests"
	@echo "make lint                  style, types and dependency rules"
	@echo "make bench [ARGS='...']    run the benchmarks"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it or name it with make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): this takes some minutes the first time"
	@# Without the warnings of the tool that builds packages, which say nothing to users.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[$(EXTRAS)]"
	@touch $@

demo: setup
	$(BIN)/robot-mbrl demo $(ARGS)

# What the graph's tests time wants the machine for itself; all else shares its cores.
test: setup
ifeq ($(strip $(ARGS)),)
	@status=0; export ROS_PYTHON_CHECK_FIELDS=1; \
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --ignore=tests/graph || status=1; \
	$(BIN)/python -m pytest tests/graph || status=1; \
	exit $$status
else
	ROS_PYTHON_CHECK_FIELDS=1 $(BIN)/python -m pytest $(ARGS)
endif

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)
