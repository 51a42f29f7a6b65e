# make demo   set up, reconstruct one real photo, print where the results lie
# make test   set up, run all tests
# make lint   ruff and mypy
# make model, make benchmarks, make pictures   rebuild the face model, docs/benchmarks.md, docs/img
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= demo_out
# e.g. TORCH_INDEX=https://download.pytorch.org/whl/cpu for the CPU build on machines whose default is CUDA
TORCH_INDEX ?=
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
STAMP := $(VENV)/.installed

.PHONY: demo test lint format model benchmarks pictures clean setup

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[models]" --group dev
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/wholeface reconstruct \
	  "$$($(BIN)/python -c 'import matplotlib.cbook as c; print(c.get_sample_data("grace_hopper.jpg", asfileobj=False))')" -o $(OUT)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix src tests
	$(BIN)/ruff format src tests

model: $(STAMP)
	$(BIN)/python -m wholeface.lab.modelling --source ../shared/data --out src/wholeface/assets/face_model.safetensors

benchmarks: $(STAMP)
	$(BIN)/python -m wholeface.lab.bench.report.page --data ../shared/data

pictures: $(STAMP)
	$(BIN)/python -m wholeface.lab.bench.report.images

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache
