.PHONY: demo demo-network test bench fuzz setup setup-run lint clean

VENV := .venv
PYTHON := $(VENV)/bin/python

demo: setup-run
	$(VENV)/bin/hansa demo --out hansa-demo

demo-network: setup-run
	$(VENV)/bin/hansa demo --network

test: setup
	$(VENV)/bin/pytest -n 2 --dist loadfile

lint: setup
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: setup
	$(PYTHON) -m benchmarks.run

# Every decoder under atheris: make fuzz SECONDS=60 TARGETS="codec study"
fuzz: setup
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	$(PYTHON) tests/fuzz/fuzz_run.py $(or $(SECONDS),60) $(TARGETS)

setup-run: $(VENV)/.run
setup: $(VENV)/.dev

$(PYTHON):
	python3 -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(PYTHON)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) hansa-demo
