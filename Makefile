# Two commands: `make repro` runs the whole graph, `make test` the tests. Both install what is missing into .venv.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RECIPE ?=
PHOTOS ?=
export UV_PYTHON_DOWNLOADS := never

.PHONY: repro test check env constraints

repro: env
ifneq ($(RECIPE),)
	$(BIN)/ovseg recipe $(RECIPE) $(if $(PHOTOS),--set "web.folder=$(abspath $(PHOTOS))")
endif
	$(BIN)/ovseg check
	$(BIN)/ovseg repro

test: env
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/test_graph.py tests  # the longest file first

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layering.py

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt | $(UV)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraints constraints.txt --build-constraints constraints.txt --editable '.[dev]'
	touch $@

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --constraint constraints.txt uv

constraints: | $(UV)  # again from pyproject.toml; versions move only where they have to
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra dev \
		--output-file constraints.txt pyproject.toml
