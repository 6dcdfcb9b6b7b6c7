# `make book` and `make test` set up all that they need; a second call costs nothing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
TESTS ?= tests

# Two spinning threads a process are up to 30 times slower on a busy machine.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# pip compiles on one core; what is no Python (templates) is no error there either.
COMPILE = $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

.PHONY: help book test test-all lab lint serve bench clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.book: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --no-compile -c constraints.txt -e .
	@$(COMPILE)
	@touch $@

$(VENV)/.dev: $(VENV)/.book
	$(BIN)/python -m pip install --no-compile -c constraints.txt -e '.[dev]'
	@$(COMPILE)
	@touch $@

book: $(VENV)/.book ## run the chapters and build the website: build/_build/html/index.html
	$(BIN)/benchbook build

test: $(VENV)/.dev ## every test, the chapters at preset tiny and the site in a browser among them
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

test-all: $(VENV)/.dev ## the tests that take long, too: every executed notebook from an empty store
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --all $(TESTS)

# In an environment of its own: with JupyterLab come packages that make every command start slowly.
lab: $(VENV)/.book ## open the chapters in JupyterLab, where a cell runs as it does in a run
	test -x $(VENV)-lab/bin/jupyter-lab || $(PYTHON) -m venv $(VENV)-lab
	$(VENV)-lab/bin/python -m pip install -c constraints.txt jupyterlab jupytext
	$(BIN)/python -m ipykernel install --prefix $(VENV)-lab --name python3 --display-name "Python 3"
	JUPYTER_CONFIG_PATH=.jupyter $(VENV)-lab/bin/jupyter lab chapters

lint: $(VENV)/.dev ## ruff, on the package, the tests and the code cells of chapters
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python tests/lint_chapters.py

serve: book ## look at the site at http://localhost:8000 (PORT=...)
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory build/_build/html

bench: $(VENV)/.dev ## speed and memory, as ratios in one run
	$(BIN)/python -m benchmarks

clean: ## remove results and the environment; downloaded data stay
	rm -rf build $(VENV) $(VENV)-lab .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
