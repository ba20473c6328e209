# `make sweep` and `make test` are all one needs; each makes .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: sweep test slow storms check format miniature clean

sweep: $(VENV)/run
	$(BIN)/python -m jaxtune.sweep --num_seeds 32

# Two processes, each with its own files, so that what a file's tests share is made once.
# One that crashes ends the run: restarted, it has left the others waiting for ever.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test: $(VENV)/test
	$(BIN)/python -m pytest $(WORKERS)

# What `make test` leaves out so that one waits for it: every change has to pass it, too.
slow: $(VENV)/test
	$(BIN)/python -m pytest $(WORKERS) -m "slow and not storm"

# Its CPU seconds are compared, which another process beside it disturbs.
ALONE := tests/sweep/test_throughput.py

# What takes minutes: kills, faults, small disks, fuzzing and whole studies, all at full count.
storms: $(VENV)/test
	$(BIN)/python -m pytest $(WORKERS) -m "storm or hypothesis" --hypothesis-profile=many \
		--ignore $(ALONE)
	$(BIN)/python -m pytest -m storm $(ALONE)

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check

format: $(VENV)/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, into build/site; a broken link or a missing page is an error.
.PHONY: docs
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Repeats the packaged model, and the two that its failure rates are compared with (docs/quickstart.md).
miniature: $(VENV)/run
	for seed in 0 1 2; do $(BIN)/python -m jaxtune.pretrain --data miniature --seed $$seed --out build/miniature-$$seed; done

$(VENV)/run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

# torch first and by its exact version, before anything that would pull another.
$(VENV)/test: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/run

$(VENV)/docs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@ $(VENV)/run

clean:
	rm -rf $(VENV) build
