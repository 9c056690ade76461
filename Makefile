# Everything a checkout needs is made here: `make demo` and `make test` start from nothing but
# python3 (with venv and headers), a C compiler and make. A second run makes only what changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUB_VENV := .venv-build
STAMPS := build/stamps
PYTEST_ARGS ?= -n 2 --dist loadfile

PROTO := $(wildcard proto/strata/v1/*.proto)
NATIVE := $(shell find engine server -name '*.pyx' -o -name '*.pxd' -o -name '*.h')

.PHONY: help build stubs demo check test bench bench-growth bench-compare bench-micro soak mutants
.PHONY: tools clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    build, then count audiences over real and synthetic customers'
	@echo 'make test    every test but the tidy ones'
	@echo 'make check   format, lint, types and the tidy tests'
	@echo 'make bench   Strata beside its rivals; Q=Q1,Q2 and SIZE=10m choose'
	@echo 'make bench-growth   Strata alone from size to size; SIZES=1m,10m chooses'
	@echo 'make bench-compare BASE=COMMIT   this checkout beside another commit'
	@echo 'make bench-micro   kernels and small parts, by pytest-benchmark'
	@echo 'make soak    the tests with their large budgets'
	@echo 'make mutants 200 wrong tokens in the evaluator, and how many the tests notice (an hour)'
	@echo 'make build   environment, compiled modules and stubs, and nothing else'
	@echo 'make stubs   only the stubs in strata/v1, from proto/'
	@echo 'make tools   optional programs, whether they are here, and which tests want them'
	@echo 'make clean   remove what was built (the environment .venv stays)'

# The first installation builds everything in pip's own isolated environment.
$(STAMPS)/installed: pyproject.toml setup.py
	@PYTHON='$(PYTHON)' sh tools/preflight.sh
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'Installing Strata and what it needs into $(VENV); the first time takes a few minutes.'
	@$(BIN)/python tools/install.py --quiet -e '.[dev]'
	@mkdir -p $(STAMPS)
	@touch $(STAMPS)/stubs $(STAMPS)/compiled $@

$(STAMPS)/compiled: $(STAMPS)/installed $(NATIVE)
	@$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

$(STAMPS)/stub-compiler: pyproject.toml
	@PYTHON='$(PYTHON)' sh tools/preflight.sh
	@test -x $(STUB_VENV)/bin/python || $(PYTHON) -m venv $(STUB_VENV)
	@$(STUB_VENV)/bin/python tools/install.py --quiet --required-by-build setuptools grpcio-tools
	@mkdir -p $(STAMPS)
	@touch $@

$(STAMPS)/stubs: $(PROTO)
	@$(MAKE) -s --no-print-directory $(STAMPS)/stub-compiler
	@$(STUB_VENV)/bin/python setup.py --quiet build_stubs
	@touch $@

stubs: $(STAMPS)/stubs

build: $(STAMPS)/installed
	@$(MAKE) -s --no-print-directory $(STAMPS)/stubs $(STAMPS)/compiled

demo: build
	@$(BIN)/python -m examples.demo

# A warning of the C compiler is an error here, and not where a newcomer only wants the demo.
check test: export STRATA_WERROR = 1

check: build
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH=$(BIN):$$PATH cython-lint engine server
	$(BIN)/python -m pytest tests/tidy

test: build
	$(BIN)/python -m pytest tests bench --ignore tests/tidy $(PYTEST_ARGS)

# What is measured, over how many people, and where the data are kept; see docs/benchmarks.md.
Q ?=
SIZE ?= 1m
SIZES ?= 1m,10m,100m
BENCH_ARGS ?=

$(STAMPS)/rivals: $(STAMPS)/installed
	@$(BIN)/python tools/install.py --quiet -e '.[dev,bench]'
	@touch $@

bench: build $(STAMPS)/rivals
	$(BIN)/strata bench --questions '$(Q)' --size $(SIZE) $(BENCH_ARGS)

bench-growth: build
	$(BIN)/strata bench growth --questions '$(Q)' --sizes $(SIZES) $(BENCH_ARGS)

bench-compare: build
	@test -n '$(BASE)' || { echo 'Name a commit: make bench-compare BASE=main'; exit 2; }
	$(BIN)/python -m bench.compare '$(BASE)' --questions '$(Q)' --size $(SIZE) $(BENCH_ARGS)

bench-micro: build
	$(BIN)/python -m pytest bench --benchmark-enable --benchmark-only

soak: build
	STRATA_SOAK=1 $(BIN)/python -m pytest tests $(PYTEST_ARGS)

mutants: build
	$(BIN)/python -m tests.mutants --suite attributes --jobs 2
	$(BIN)/python -m tests.mutants --suite events --jobs 2

tools:
	@$(PYTHON) -m tests.skips

clean:
	rm -rf build dist *.egg-info $(STUB_VENV) .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f strata/v1/*_pb2.py strata/v1/*_pb2.pyi strata/v1/*_pb2_grpc.py
	find . -path ./$(VENV) -prune -o \( -name '*.so' -o -name '*.pyc' \) -type f -exec rm -f {} +
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -empty -exec rmdir {} +
