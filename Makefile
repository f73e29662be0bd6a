# Every target does its own set-up: a machine with make and Python 3.11 or newer is enough.
PYTHON   ?= python3
VENV     := .venv
BIN       = $(VENV)/bin
# Programs and tests find swarmd, swarm-worker and swarmctl as a user would: on PATH.
RUN       = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python
# The tests start Python some thousand times: from bytecode, each program starts in 60 % of the time.
unexport PYTHONDONTWRITEBYTECODE

PROTOC   := .tools/protoc
PROTOS   := $(shell find protos -name '*.proto')
SERVICES := $(filter %_service.proto %/externalscaler.proto,$(PROTOS))
# The oldest generator whose code every grpcio and protobuf above our floors can run. It has an
# environment of its own, because it can't share one with today's grpcio packages.
GENERATORS := grpcio-tools==1.76.0 mypy-protobuf==5.1.0
UV         := uv==0.13.9

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-containers test-slurm test-k8s soak images check fmt lint types imports protos check-protos client web check-web docs screenshots grafana bench bench-peers build lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with everything that the other targets need
	@$(PYTHON) scripts/setup.py $(VENV)

demo: setup ## Run the quickstart plan on real amplifier-core sessions, into demo/
	@$(RUN) scripts/demo.py

# Twice as many as the smallest machine has cores: many tests wait for processes and clocks.
test: setup ## Run all tests
	@PYTHONPATH=tests $(RUN) -m support.browser
	@PYTHONPATH=tests $(RUN) -m support.prometheus
	@$(RUN) -m pytest -n 4 --dist worksteal

test-fast: setup ## Run the tests that take no seconds
	@$(RUN) -m pytest -m "not slow" -n 4 --dist worksteal

# Helm and the schemas of Kubernetes are 350 MB, so only this target installs them.
K8S := .tools/k8s
test-k8s: setup $(VENV)/.k8s ## The chart, the scaler and the operator on a real control plane, which is built once (Debian)
	@sh scripts/kubernetes.sh $(K8S)
	@SWARM_TEST_K8S=1 $(RUN) -m pytest -s tests/k8s

$(VENV)/.k8s: requirements-k8s.lock | setup
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes -r $<
	@touch $@

soak: setup ## The long proofs, a line of figures each (SEED=1; ONLY="power kills" for some of them)
	@$(RUN) scripts/soak.py --seed $(or $(SEED),1) $(ONLY)

check: lint types imports check-protos check-web docs test ## What CI runs, but for the demo

fmt: setup ## Format the code and the protos
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix . && $(BIN)/buf format -w

lint: setup ## Check style
	@$(BIN)/ruff format -q --check . && $(BIN)/ruff check -q .

types: setup ## Check types
	@$(BIN)/python -m mypy

imports: setup ## Check that the layers hold
	@said=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }

# $(call generate,FOLDER): all generated code of protos/, into that folder.
define generate
@$(PROTOC)/bin/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(PROTOC)/bin/protoc-gen-mypy \
  --python_out=$(1) --mypy_out=quiet:$(1) $(PROTOS)
@$(PROTOC)/bin/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy_grpc=$(PROTOC)/bin/protoc-gen-mypy_grpc \
  --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(SERVICES)
endef

protos: $(PROTOC)/.ready ## Regenerate the Python code of protos/ (it is committed)
	@find protos -name '*_pb2*.py*' -delete
	$(call generate,protos)
	@$(MAKE) --no-print-directory client

client: setup ## Regenerate the parts of the Python client that follow from the protos and from its asyncio side (committed)
	@$(BIN)/python scripts/python_client.py

check-protos: FRESH := .tools/fresh
check-protos: setup $(PROTOC)/.ready ## Check the protos: style, committed code, no break for older clients
	@$(BIN)/buf lint && $(BIN)/buf format -d --exit-code
	@rm -rf $(FRESH) && mkdir -p .tools && cp -R protos $(FRESH) && find $(FRESH) -name '*_pb2*.py*' -delete
	$(call generate,$(FRESH))
	@diff -rq -x __pycache__ protos $(FRESH) || \
	  { echo "the committed code is not what protos/ makes: run 'make protos' and commit what it changes"; exit 1; }
	@sh scripts/compatible.sh $(BIN)/buf $(AGAINST)

# The page's sources, and what they are built into: committed, so that installing needs no node.
PAGE     := server/dashboard
ASSETS   := server/swarmd/web/static

$(PAGE)/node_modules/.ready: $(PAGE)/package-lock.json
	@command -v npm >/dev/null || { echo "building the page needs npm and node 20 or newer; nothing else does"; exit 1; }
	@cd $(PAGE) && npm ci --silent && touch node_modules/.ready

web: $(PAGE)/node_modules/.ready ## Rebuild the dashboard's page (it is committed)
	@cd $(PAGE) && npm run --silent build -- --logLevel warn

check-web: ## Check the dashboard's page: types, style, unit tests, and whether the committed files match the sources (needs npm)
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory -f Makefile .check-web; \
	  else echo "check-web: left out, because npm is not here"; fi

.check-web: FRESH_PAGE := $(abspath .tools/page)
.check-web: $(PAGE)/node_modules/.ready
	@cd $(PAGE) && npm run --silent check
	@cd $(PAGE) && npm run --silent build -- --logLevel warn --outDir $(FRESH_PAGE) --emptyOutDir
	@diff -rq $(FRESH_PAGE) $(ASSETS) || \
	  { echo "the committed page is not what $(PAGE) makes: run 'make web' and commit what it changes"; exit 1; }

docs: setup ## Build the documentation site, into site/; a link that leads nowhere fails
	@$(RUN) scripts/docs.py

screenshots: setup ## Take pictures of every page of the dashboard, into screenshots/ (needs Chromium)
	@PYTHONPATH=tests $(RUN) scripts/screenshots.py

grafana: setup ## Regenerate the Grafana dashboard (it is committed)
	@$(BIN)/python scripts/grafana.py

bench: setup ## Measure the swarm, into bench/results/ (ONLY=R1,R8 picks, PAIRS=5 repeats, FULL=1 takes full sizes)
	@PYTHONPATH=tests $(RUN) bench/run.py

bench-peers: export PEERS := 1
bench-peers: setup ## Measure it beside other task queues, in a separate environment (Redis, PostgreSQL from Debian)
	@PYTHONPATH=tests $(RUN) bench/run.py

# The images of deploy/container. BASE is an image with Python; IMAGE_FLAGS go to every build.
ENGINE   ?= podman
images: VERSION  = $(shell sed -n 's/^__version__.*"\(.*\)"/\1/p' protos/amplifier_swarm/__init__.py)
images: REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
images: ## Build the images swarmd, swarm-worker, swarm-operator and amplifier-swarm (ENGINE=docker, BASE=IMAGE)
	@for pair in swarmd:swarmd worker:swarm-worker operator:swarm-operator swarm:amplifier-swarm; do \
	  $(ENGINE) build -q $(if $(findstring podman,$(ENGINE)),--format docker) $(if $(BASE),--build-arg BASE=$(BASE)) \
	    --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) $(IMAGE_FLAGS) \
	    -f deploy/container/Containerfile --target $${pair%:*} -t $${pair#*:} . || exit 1; done

test-containers: setup ## Build the images and run them for real (root; Debian: podman buildah runc mmdebstrap netavark)
	@SWARM_TEST_CONTAINERS=1 $(RUN) -m pytest -p no:cacheprovider -s -rs --durations=8 tests/containers

test-slurm: setup ## Run workers as job arrays on a real Slurm (root; Debian: slurm-wlm munge)
	@SWARM_TEST_SLURM=1 $(RUN) -m pytest -p no:cacheprovider -s -rs --durations=8 tests/slurm

build: setup ## Build the sdist and the wheel, into dist/
	@rm -rf dist && $(BIN)/python -m hatchling build

lock: .tools/uv/.ready ## Rewrite the lock files; pins stay where they can (UPGRADE=--upgrade moves them)
	@$(COMPILE) --python-version 3.11 --all-extras --group dev -o requirements-dev.lock pyproject.toml
	@$(COMPILE) --python-version 3.11 --all-extras --group build -c requirements-dev.lock -o requirements.lock pyproject.toml
	@$(COMPILE) --python-version 3.11 -c requirements-dev.lock --group k8s -o requirements-k8s.lock
	@echo $(GENERATORS) | tr ' ' '\n' | $(COMPILE) --python-version 3.11 -o requirements-protoc.lock -

# No header and no notes: they would name paths and registries of the machine that made the file.
COMPILE = UV_PYTHON_DOWNLOADS=never .tools/uv/bin/python -m uv pip compile -q --universal --fork-strategy fewest --generate-hashes \
  --no-header --no-annotate $(UPGRADE)

$(PROTOC)/.ready: requirements-protoc.lock | setup
	@$(BIN)/python -m venv --clear $(PROTOC)
	@$(PROTOC)/bin/python -m pip install -qq --disable-pip-version-check --only-binary=:all: --require-hashes -r $<
	@touch $@

.tools/uv/.ready:
	@$(PYTHON) -m venv --clear .tools/uv && .tools/uv/bin/python -m pip install -qq --disable-pip-version-check $(UV)
	@touch $@

clean: ## Remove all that these targets made
	@rm -rf .venv .tools dist demo site bench/results screenshots $(PAGE)/node_modules .coverage .*_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
