# Two commands: `make figure2` runs the embedded study, `make test` runs the tests. Both set up .venv first.
# STUDY=FILE is laid on top of config.yaml, CONFIG="films=PATH" sets single keys, and DIR=FOLDER is where results/ goes.
# A variable of another name (study=FILE, CONFIGFILE=FILE) would change nothing, and another study would run.
KNOWN := CONFIG CORES DEMO_DIR DEMO_TARGETS DIR DRAW MACHINE OUT PLAN PYTHON RATE RUNS SEEDS START STUDY TABLE
TYPED := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out $(KNOWN) BIN HOME NEEDED_MB PATH SHELL SUDO VENV,$(TYPED))
ifneq ($(UNKNOWN),)
$(error $(UNKNOWN): no variable of this Makefile; known are $(KNOWN))
endif
ifneq ($(and $(filter demo,$(MAKECMDGOALS)),$(filter STUDY CONFIG DIR,$(TYPED))),)
$(error $(filter STUDY CONFIG DIR,$(TYPED)): make demo shows a study of its own, in DEMO_DIR=FOLDER; make figure2 takes STUDY, CONFIG and DIR)
endif
ifneq ($(and $(filter SEEDS,$(TYPED)),$(filter-out replicate,$(MAKECMDGOALS))),)
$(error SEEDS: goes with make replicate alone; the seed of another run is CONFIG="study='{seed: 2}'")
endif
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
SUDO ?= $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# The phantom children are a study of their own: in the folder of the embedded study they would take the place of its figures.
CHILDREN := $(if $(filter undefined,$(origin DIR)),runs/paediatric,$(DIR))
paediatric search questionnaire ask: DIR := $(CHILDREN)
paediatric search questionnaire ask: STUDY ?= studies/paediatric-phantom.yaml
masks figure5 reading read: STUDY ?= studies/aurad-phantom.yaml
DIR ?= .
# Targets come first: --configfile and --config take all words that follow.
OVERLAY = $(if $(STUDY),--configfile '$(STUDY)') $(if $(CONFIG),--config $(CONFIG))
PLACE = $(if $(filter-out .,$(DIR)),--directory '$(DIR)')
COMMA := ,
SPACE := $(subst ,, )
SEEDED = $(if $(SEEDS),replication='{seeds: [$(subst $(SPACE),$(COMMA),$(strip $(SEEDS)))]}')
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES)
# Where the system knows no home for a user (a container under a bare number), Snakemake would not start.
ifeq ($(HOME),)
export HOME := $(shell mktemp -d)
endif
export PATH := $(CURDIR)/$(BIN):$(PATH)

ifneq ($(wildcard docs/pictures.json),)
DOCS_CHECK = $(BIN)/python -m scripts.renew_docs --check
endif

.PHONY: install figure2 figure3 figure5 figures evidence controls replicate rate start check plan docs-figures test test-long test-cluster lint types lock clean help mend demo status report provenance masks paediatric search ask questionnaire draw read reading

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
	@echo 'STUDY=FILE, CONFIG="films=PATH", DIR=FOLDER and CORES=N go with figure2, figure3, figures, evidence, report, controls, replicate, check and rate; PYTHON=PATH with all'

# An environment that lost its Python or a package since it was ready is mended.
BROKEN := $(if $(wildcard $(VENV)/.ready),$(shell sh envs/install.sh check $(VENV) || echo mend))

$(VENV)/.ready: requirements.lock $(BROKEN)
	@sh envs/install.sh install $(VENV) $(PYTHON)

install: $(VENV)/.ready  ## only the environment, into .venv (the other targets do it by themselves)

# In a folder of its own, so that it never takes the place of a study's results; what it makes, in one line.
DEMO_DIR ?= runs/demo
DEMO_TARGETS := all evidence

demo: $(VENV)/.ready  ## the whole way in minutes, on very few films (DEMO_DIR=FOLDER, else runs/demo)
	@echo 'A demonstration of the machinery: films of 32 pixels that the workflow draws, models that see them for seconds.'
	@echo 'It shows what a study hands over. Its numbers say nothing about synthetic films. (studies/demo.yaml)'
	$(SNAKEMAKE) $(DEMO_TARGETS) --directory '$(DEMO_DIR)' --configfile studies/demo.yaml
	$(SNAKEMAKE) report --directory '$(DEMO_DIR)' --configfile studies/demo.yaml
	@echo 'Look at $(DEMO_DIR)/results: report.html, evidence.png, figure2.png and tables/. docs/results.md says how to read them.'

figure2: $(VENV)/.ready  ## the study (STUDY=FILE DIR=FOLDER, else the embedded one), from nothing to results/figure2.pdf, its tables and results/report.html
	$(SNAKEMAKE) all $(PLACE) $(OVERLAY)

figure3: $(VENV)/.ready  ## the proxy model: filtering and fine-tuning, on top of figure2
	$(SNAKEMAKE) figure3 $(PLACE) $(OVERLAY)

figures: $(VENV)/.ready  ## Figures 1 to 4 and Table 1, and the report with them
	$(SNAKEMAKE) figures $(PLACE) $(OVERLAY)
	$(SNAKEMAKE) report $(PLACE) $(OVERLAY)

evidence: $(VENV)/.ready  ## what speaks for and against the answer: copies, fidelity, faithfulness, worth in real films, subgroups, calibration
	$(SNAKEMAKE) evidence $(PLACE) $(OVERLAY)
	$(SNAKEMAKE) report $(PLACE) $(OVERLAY)

report: $(VENV)/.ready  ## results/report.html anew, with all that was measured; RUNS="a b" compares the reports of two folders
ifdef RUNS
	$(BIN)/python -m scripts.compare_reports $(RUNS) --out '$(or $(OUT),comparison.html)'
else
	$(SNAKEMAKE) report $(PLACE) $(OVERLAY)
endif

provenance: $(VENV)/.ready  ## results/ro-crate-metadata.json: files with hashes, commit, versions, configuration (after report)
	$(BIN)/python -m scripts.write_provenance --results '$(DIR)/results'

replicate: $(VENV)/.ready  ## the study under other seeds (SEEDS="1 2 3"; its own seed is figure2's run): what holds under all of them
	$(SNAKEMAKE) replicate $(PLACE) $(if $(STUDY),--configfile '$(STUDY)') $(if $(SEEDED)$(CONFIG),--config $(SEEDED) $(CONFIG))

controls: $(VENV)/.ready  ## on top of figure2: is a gain more than more of the same films, and is it the mixing that costs?
	$(SNAKEMAKE) all $(PLACE) --configfile $(if $(STUDY),'$(STUDY)') studies/controls.yaml $(if $(CONFIG),--config $(CONFIG))

masks: $(VENV)/.ready  ## words to masks of several findings, made and measured (the embedded study, or STUDY=studies/aurad.yaml)
	$(SNAKEMAKE) masks $(PLACE) $(OVERLAY)

figure5: $(VENV)/.ready  ## words to masks, images and boxes, and what they are worth (the embedded study, on top of figure2, or STUDY=FILE)
	$(SNAKEMAKE) figure5 $(PLACE) $(OVERLAY)

paediatric: $(VENV)/.ready  ## the class-conditional model, and its report: phantom children, or STUDY=studies/paediatric.yaml CONFIG="data=PATH" (DIR=FOLDER, else runs/paediatric)
	$(SNAKEMAKE) paediatric $(PLACE) $(OVERLAY)
	$(SNAKEMAKE) report $(PLACE) $(OVERLAY)

search: $(VENV)/.ready  ## settings of the class-conditional model, searched: phantom children, or STUDY=FILE
	$(SNAKEMAKE) search $(PLACE) $(OVERLAY)

questionnaire: $(VENV)/.ready  ## what raters say of counterfactual edits: phantom children with simulated raters, or STUDY=FILE with a log
	$(SNAKEMAKE) questionnaire $(PLACE) $(OVERLAY)

ask: $(VENV)/.ready  ## the page of the questionnaire for radiologists, on 127.0.0.1
	$(SNAKEMAKE) forms $(PLACE) $(OVERLAY)
	$(BIN)/python -m scripts.rate_images --forms '$(DIR)'/results/*/questionnaire $(RATE)

draw: $(VENV)/.ready  ## the page from a sentence to a film, on 127.0.0.1 (after figure5)
	$(BIN)/python -m scripts.draw_prompts --results '$(DIR)/results' $(if $(STUDY),--study '$(STUDY)') $(DRAW)

reading: $(VENV)/.ready  ## what readers say of images and their masks: the phantom with simulated readers, or STUDY=FILE with a log
	$(SNAKEMAKE) reading $(PLACE) $(OVERLAY)

read: $(VENV)/.ready  ## the page of the reading study for radiologists, on 127.0.0.1
	$(SNAKEMAKE) reading_forms $(PLACE) $(OVERLAY)
	$(BIN)/python -m scripts.rate_images --forms '$(DIR)'/results/*/reading $(RATE)

rate: $(VENV)/.ready  ## the rating app for radiologists, on 127.0.0.1
	$(SNAKEMAKE) rated_sets $(PLACE) $(OVERLAY)
	$(BIN)/python -m scripts.rate_images --study '$(DIR)/results' $(RATE)

start: $(VENV)/.ready  ## write studies/mine.yaml from a look at your table: make start TABLE=films.csv
	$(BIN)/python -m scripts.start_study '$(or $(TABLE),films.csv)' $(START)

check: $(VENV)/.ready  ## look at the data of a study before anything trains: results/check.html
	$(SNAKEMAKE) check_data $(PLACE) $(OVERLAY)

plan: $(VENV)/.ready  ## what a study will cost: make plan STUDY=studies/paper.yaml MACHINE=h200
	$(BIN)/python -m scripts.plan_study $(OVERLAY) --results '$(DIR)/results' --machine $(or $(MACHINE),cpu-2core) $(PLAN)

status: $(VENV)/.ready  ## how far a run is (DIR=FOLDER), from another terminal
	@$(BIN)/python -m scripts.show_status --directory '$(DIR)'

docs-figures: $(VENV)/.ready  ## renew pictures and captions of README and docs/ from results (of DIR=FOLDER)
	$(BIN)/python -m scripts.renew_docs --results '$(DIR)/results'

test: $(VENV)/.ready  ## the tests
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/.ready  ## the tests of the whole that take long and that make test leaves out
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m long

test-cluster: $(VENV)/.ready  ## the tests on a real SLURM of this machine (Debian or Ubuntu: installs slurm-wlm and munge)
	@command -v slurmctld > /dev/null || PATH="$$PATH:/usr/sbin" command -v slurmctld > /dev/null \
	  || { $(SUDO) apt-get update --quiet && $(SUDO) apt-get install --quiet --yes --no-install-recommends slurm-wlm munge; } \
	  || { echo "make test-cluster needs slurmctld, slurmd and munged: install your system's packages of SLURM and munge"; exit 1; }
	$(BIN)/python -m pytest -m cluster tests/cluster

lint: $(VENV)/.ready  ## style, spelling, types, and whether docs/ are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/codespell
	$(BIN)/mypy
	$(DOCS_CHECK)

types: $(VENV)/.ready  ## the type checker alone
	$(BIN)/mypy

lock: $(VENV)/.ready  ## write requirements.lock anew from pyproject.toml; versions stay as far as they can
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --quiet --python-version 3.11 --extra dev pyproject.toml \
	  --output-file requirements.lock

clean:  ## forget results (of DIR=FOLDER; keeps .venv)
	rm -rf '$(DIR)'/results/* '$(DIR)/.snakemake'
