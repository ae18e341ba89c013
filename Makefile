# `make check` is the gate, the same as .ci/run. What needs more than Python and PyPI, or minutes,
# has a target of its own and is counted as skipped elsewhere.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: demo dev check test coverage test-slow test-shells test-sdk test-schema test-compat test-data test-portable test-workflows bench peers mutants test-examples fuzz soak dist audit docs format clean test-cluster

# The program in .venv, then its main job on the embedded server: no account, no network.
demo:
	@rm -f $(STAMP)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check .
	$(BIN)/ocx --sandbox chat "Hello!"
	$(BIN)/ocx --sandbox balance

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

dev: $(STAMP)

check:
	PYTHON=$(PYTHON) .ci/run

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

# Branch coverage of the tests and of the programs that they start.
coverage: $(STAMP)
	$(BIN)/python -m pytest -n 4 --cov --cov-report=term --cov-fail-under=95

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m slow --full

# What is not installed is skipped, and counted.
test-shells: $(STAMP)
	@echo "Drives bash, zsh and fish, and asks mandoc, man and strace. To have them all:"
	@echo "  apt-get install zsh fish mandoc man-db groff strace, or brew install bash zsh fish mandoc"
	$(BIN)/python -m pytest --full -m shells

# The official SDKs for Python and Node, each in a throwaway folder.
test-sdk:
	$(PYTHON) -m venv build/sdk
	build/sdk/bin/pip install --quiet --disable-pip-version-check -e '.[dev]' openai
	npm install --no-save --silent --prefix build/sdk openai
	OCX_NODE_MODULES=build/sdk/node_modules build/sdk/bin/python -m pytest --full -rA tests/serve/test_sdk.py

# schemathesis against the document that the server gives of itself.
test-schema:
	$(PYTHON) -m venv build/schema
	build/schema/bin/pip install --quiet --disable-pip-version-check -e '.[dev]' schemathesis
	build/schema/bin/python -m pytest --full -s tests/serve/test_schema.py

# Clients against ocx serve and ocx against other servers, pinned and counted: minutes, and a page,
# docs/compatibility.md.
test-compat: $(STAMP)
	$(BIN)/python -m tests.compat $(ARGS)

# CSV results of a batch as DuckDB and pandas read them.
test-data:
	$(PYTHON) -m venv build/data
	build/data/bin/pip install --quiet --disable-pip-version-check -e '.[dev,parquet]' duckdb pandas
	build/data/bin/python -m pytest --full -rA tests/e2e/test_batch_tables.py \
	  tests/e2e/test_batch_parquet.py

# examples/batch on a real Slurm, GNU parallel, Ray, Dask and Spark, and its manifests against their schemas. What is
# not installed, and cannot be here, is skipped, and counted.
CLUSTER = slurm-wlm munge parallel
# Large, so they are in no extra; Spark needs Java.
FRAMES = 'ray[data]>=2.40' 'dask[dataframe]>=2024.12' 'pyspark>=3.5' 'pyarrow>=16'
test-cluster: export DEBIAN_FRONTEND = noninteractive
test-cluster:
	@if dpkg -s $(CLUSTER) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $(CLUSTER) || \
	  echo "Cannot install $(CLUSTER): their tests are skipped."; \
	else echo "To run all of it, as root: apt-get install $(CLUSTER)"; fi
	$(PYTHON) -m venv build/cluster
	build/cluster/bin/pip install --quiet --disable-pip-version-check -e '.[dev]' \
	  check-jsonschema kubernetes-validate pyyaml $(FRAMES)
	build/cluster/bin/python -m pytest -m cluster --full tests/cluster

# Other machines: an old SQLite, and what needs a namespace or a compiler. What cannot be had here is
# skipped, and counted; docs/compatibility.md says what was run and what was only emulated.
# OCX_LIBEDIT names a folder with a module readline of libedit: one of CPython's Modules/readline.c
# built with -DWITH_EDITLINE -DHAVE_RL_CALLBACK and -ledit, or that of another Python.
OLD_SQLITE = build/portable/libsqlite3.so.0
test-portable: $(STAMP) $(OLD_SQLITE)
	OCX_OLD_SQLITE=$(abspath $(wildcard $(OLD_SQLITE))) $(BIN)/python -m pytest --full -rA tests/portable

# The sources of SQLite 3.34, as the npm package sqlite3 carries them.
$(OLD_SQLITE):
	mkdir -p $(@D)
	-cd $(@D) && npm pack --silent sqlite3@5.0.2 && \
	  tar xzf sqlite3-5.0.2.tgz package/deps/sqlite-autoconf-3340000.tar.gz && \
	  tar xzf package/deps/sqlite-autoconf-3340000.tar.gz && \
	  cc -O1 -fPIC -shared -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_DESERIALIZE \
	    -Wl,-soname,libsqlite3.so.0 -o $(@F) sqlite-autoconf-3340000/sqlite3.c -lm -ldl -lpthread

# All of examples/ci, its pipelines too, against their schemas. What cannot be had here (unshare, a
# systemd) is skipped, and counted.
test-examples:
	$(PYTHON) -m venv build/examples
	build/examples/bin/pip install --quiet --disable-pip-version-check -e '.[dev]' \
	  check-jsonschema pyyaml
	build/examples/bin/python -m pytest --full -rA -m 'examples or not examples' tests/ci

# .github/workflows and action.yml: zizmor under packaging/zizmor.yml, check-jsonschema's schemas,
# and the steps of the action in a shell.
test-workflows:
	$(PYTHON) -m venv build/workflows
	build/workflows/bin/pip install --quiet --disable-pip-version-check -e '.[dev]' \
	  zizmor check-jsonschema pyyaml
	build/workflows/bin/python -m pytest --full -rA -m 'examples or not examples' \
	  tests/ci/test_workflows.py

# A sample of small changes to the program, which the tests must notice: half an hour.
mutants: $(STAMP)
	$(BIN)/python -m tests.mutants $(ARGS)

# What outsiders write, read for SECONDS; then mixed commands against a server with faults, which
# must leave nothing behind.
fuzz: SECONDS = 600
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz $(SECONDS)

soak: SECONDS = 900
soak: $(STAMP)
	$(BIN)/python -m tests.soak $(SECONDS)

# `make bench ARGS="--runs 5 --plot docs/bench.svg"`: five tables, their spread, and the picture.
bench: $(STAMP)
	$(BIN)/python -m tests.bench $(ARGS)

# The tools that the bench compares with, each with its own libraries. aichat is not on PyPI: it is
# measured if it is on the PATH. click: shell-gpt imports it, and does not say so. Portkey's gateway
# needs npm. nginx serves as the upstream where it is installed.
PEERS = llm==0.36 shell-gpt==1.5.1 batchllm-ai==0.2.0 saturate==0.2.0 litellm[proxy]==1.108.7
PORTKEY = @portkey-ai/gateway@1.15.2
peers:
	for peer in $(PEERS); do \
	  $(PYTHON) -m venv build/peers/$${peer%%[=[]*} && \
	  build/peers/$${peer%%[=[]*}/bin/pip install --quiet --disable-pip-version-check $$peer click || exit 1; \
	done
	@if command -v npm >/dev/null; then npm install --no-save --silent --prefix build/peers/portkey $(PORTKEY); \
	else echo "No npm: Portkey's gateway is skipped."; fi

# The wheel, the sdist and ocx.pyz, byte for byte reproducible.
dist: $(STAMP)
	PYTHON=$(CURDIR)/$(BIN)/python .ci/dist
	$(BIN)/python -m pytest -q --full tests/docs/test_pyz.py tests/docs/test_wheel.py

# Known vulnerabilities of what ocx needs at run time.
audit:
	$(PYTHON) -m venv build/audit build/audit-ocx
	build/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	build/audit-ocx/bin/pip install --quiet --disable-pip-version-check .
	build/audit-ocx/bin/pip freeze --exclude opencodex-cli > build/audit.txt
	build/audit/bin/pip-audit --requirement build/audit.txt --disable-pip --no-deps --strict

docs: $(STAMP)
	$(BIN)/python docs/generate.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-ci build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
