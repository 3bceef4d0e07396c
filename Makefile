# `make run` shows the bot at work, `make test` proves it. Both set up everything themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?= 8088

.PHONY: run test test-everything lint setup pictures clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "需要 Python 3.11 或更新的版本 / Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

run: setup
	@$(BIN)/linli demo --port $(PORT)

test: setup
	$(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 4 --dist worksteal

# The dialogues of every feature on PostgreSQL as well.
test-everything: setup
	LINLI_TEST_EVERYTHING=1 $(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 4 --dist worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pictures: setup
	$(BIN)/python -m tests.screenshots

clean:
	rm -rf $(VENV) var build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
