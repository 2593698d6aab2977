# Everything here sets itself up in .venv; only Python >= 3.11, git and make are needed.
PYTHON ?= python3
UV_VERSION := 0.13.9
PIP_AUDIT_VERSION := 2.10.1
PIP_LICENSES_VERSION := 5.5.5
BIN := .venv/bin
DATA ?= data
INSTALLED := .venv/.installed

.PHONY: demo test slow lint docs bench gpu format schema lock audit licences pull results results_scenes setup clean
.DEFAULT_GOAL := demo

demo: setup ## the whole workflow on generated scenes
	$(BIN)/snakemake --cores all

test: setup ## the tests, without the slow proofs
	$(BIN)/pytest -n auto --dist loadfile

slow: setup ## the slow proofs, without those that need a SLURM (pytest -m slurm)
	$(BIN)/pytest -m "slow and not slurm" --durations=10

lint: setup ## what .ci/run checks besides the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/python tests/workflow/lint.py

docs: setup ## the documentation site, into site/: open site/index.html. With --quiet, warnings would not end it
	$(BIN)/python docs/site/browser.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file docs/site/mkdocs.yml
	@echo "To read it: $(BIN)/python -m http.server -d site, then open http://localhost:8000"

bench: setup ## all benchmarks, an hour or two, into results/bench; BENCH="--quick" for a try
	$(BIN)/python benchmarks/suite.py $(BENCH)

gpu: ## checks, timings and the ladder on a CUDA device, resumable; needs PYTHON with torch, no setup (benchmarks/README.md)
	$(PYTHON) benchmarks/gpu.py $(GPU)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow

schema: setup ## the configuration's JSON schema, from the settings
	$(BIN)/python -c "from ssvif.config.settings import schema_to_yaml; print(schema_to_yaml(), end='')" > workflow/schemas/config.schema.yaml

lock: setup ## newest versions that pyproject.toml allows, for every platform, with hashes
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --all-extras --python-version 3.11 \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

audit: setup ## known vulnerabilities of what is locked; fails where the package index has no list of them
	$(BIN)/uvx pip-audit==$(PIP_AUDIT_VERSION) --strict --disable-pip --require-hashes --requirement requirements.lock

licences: setup ## every installed package with its licence
	$(BIN)/uvx pip-licenses==$(PIP_LICENSES_VERSION) --python $(BIN)/python --from mixed --order license

pull: setup ## results from the DVC remote, and Snakemake told what made them
	$(BIN)/dvc pull
	$(BIN)/snakemake --cores 1 --touch --forceall # without --forceall, files that nothing precedes stay without a record
	@$(BIN)/dvc status --quiet || { $(BIN)/dvc status; echo "Warning: what is named here has changed since the results were" \
		"stored, but Snakemake takes them for up to date: if that affects results, run snakemake --forceall"; }

results: setup ## runs the ladder for hours, and writes docs/results.md; DATA=FOLDER holds MSRS and MSRS128
	$(BIN)/snakemake --cores all ladder --configfile config/ladder.yaml --config data_root=$(DATA)
	rm -rf docs/images/results/msrs results/ladder/docs
	$(BIN)/ssvif ladder --results results/ladder --output results/ladder/docs --no-pictures # MSRS's images are not ours
	cp -R results/ladder/docs/results.md results/ladder/docs/images docs

results_scenes: setup ## the same on the built-in scenes: docs/results_scenes.md
	$(BIN)/snakemake --cores all ladder --configfile config/ladder.yaml --config preset=scenes
	rm -rf docs/images/results/scenes
	cp results/ladder_scenes/scenes/ladder/results.md docs/results_scenes.md
	cp -R results/ladder_scenes/scenes/ladder/images docs

setup: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ssvif needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

clean: ## the results of the default configuration, not the installation
	rm -rf .snakemake results/scenes results/tables results/figures results/report results/config.yaml results/efficiency.csv results/logs results/benchmarks results/.state
