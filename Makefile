# Every target does its own set-up: a machine with make and Python 3.11 or newer is enough.
PYTHON   ?= python3
VENV     := .venv
BIN      := $(VENV)/bin
READY    := $(VENV)/.ready
PROTOC   := .tools/protoc
PROTOS   := $(shell find protos -name '*.proto')
SERVICES := $(filter %_service.proto,$(PROTOS))
# The oldest generator whose code every grpcio and protobuf above our floors can run.
GENERATORS := grpcio-tools==1.76.0 mypy-protobuf==5.1.0 setuptools
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast check fmt lint types imports protos check-protos bench build lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything that the other targets need

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) scripts/setup.py $(VENV)
	@touch $@

demo: $(READY) ## Run the quickstart plan on real amplifier-core sessions, into demo/
	@$(BIN)/python scripts/demo.py

test: $(READY) ## Run all tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(READY) ## Run the tests that take no seconds
	@$(BIN)/python -m pytest -m "not slow"

check: lint types imports check-protos test ## What CI runs: everything but the demo

fmt: $(READY) ## Format the code and the protos
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix . && $(BIN)/buf format -w

lint: $(READY) ## Check style
	@$(BIN)/ruff format -q --check . && $(BIN)/ruff check -q . && $(BIN)/buf lint && $(BIN)/buf format -d --exit-code

types: $(READY) ## Check types
	@$(BIN)/mypy

imports: $(READY) ## Check that the layers hold
	@$(BIN)/lint-imports --no-logo > .import-linter.log || { cat .import-linter.log; exit 1; }

protos: $(READY) $(PROTOC)/.ready ## Make the Python code of protos/ anew (it is committed)
	@find protos -name '*_pb2*.py*' -delete
	@$(PROTOC)/bin/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(PROTOC)/bin/protoc-gen-mypy \
	  --python_out=protos --mypy_out=quiet:protos $(PROTOS)
	@$(PROTOC)/bin/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy_grpc=$(PROTOC)/bin/protoc-gen-mypy_grpc \
	  --grpc_python_out=protos --mypy_grpc_out=quiet:protos $(SERVICES)

$(PROTOC)/.ready:
	@$(PYTHON) -m venv $(PROTOC) && $(PROTOC)/bin/python -m pip install -q --disable-pip-version-check $(GENERATORS)
	@touch $@
