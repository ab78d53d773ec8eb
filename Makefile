# From a fresh clone: `make songs` installs, trains for a few minutes and leaves eight songs in
# songs/; `make test` runs the tests, `make docs` builds the documentation into build/site. All make
# the environment in .venv if it is not there.

PYTHON ?= python3
MINUTES ?= 5
VENV := .venv
RUN := $(VENV)/bin/

.PHONY: songs test check docs clean

songs: $(VENV)/installed
	$(RUN)musicvae corpus export chorales data/midi/
	$(RUN)musicvae train data/midi/ --minutes $(MINUTES)
	$(RUN)musicvae sample --n 8 --out songs/ --audio
	$(RUN)musicvae plot songs/ --out songs/

test: $(VENV)/installed
	scripts/test

check: $(VENV)/installed
	scripts/check

docs: $(VENV)/installed
	$(RUN)python -c "import material, mkdocstrings" 2>/dev/null || PYTHON= scripts/install dev docs
	scripts/docs

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(RUN)python || $(PYTHON) -m venv $(VENV)
	PYTHON= scripts/install dev
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
