# Two commands do everything on a fresh machine: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help run test test-long browser screenshots docs check lint format typecheck lock bench compare soak chaos fuzz audit clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# pip -q is silent for half a minute, and pip is three lines a package: this is one line that changes.
define install
@echo "Installing the packages of $(1) into $(VENV) ..."
@rm -f $(VENV)/.failed
@{ $(BIN)/python -u -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r $(1) || touch $(VENV)/.failed; } | \
	while read -r word name rest; do case "$$word" in \
		Collecting) count=$$((count + 1)); test -t 1 && printf '\r\033[K  %s %s' "$$count" "$$name" ;; \
		Installing) test -t 1 && printf '\r\033[K'; echo "  unpacking $$count packages ..." ;; \
	esac; done
@test ! -e $(VENV)/.failed
endef

$(VENV)/.installed: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(call install,requirements.txt)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(call install,requirements-dev.txt)
	@touch $@

run: $(VENV)/.installed ## Serve on 127.0.0.1:8000 with everything it needs (PORT, WORKERS, LEDGER_DATA_DIR, DATABASE_URL)
	@exec $(BIN)/python manage.py serve

test: check ## Run every check and every test against a real PostgreSQL (TEST_DATABASE_URL, or an embedded one)
	$(BIN)/python -m tests

test-long: check ## The same with the long form of the longest tests: all values, pages and faults
	TEST_LENGTH=long $(BIN)/python -m tests

browser: $(VENV)/.installed-dev ## Click through the admin in a real Chromium (installs Debian's where it is missing and can be)
	$(BIN)/python -m tests.browser

screenshots: $(VENV)/.installed-dev ## Take the pictures of docs/screenshots again, of a demo ledger
	$(BIN)/python -m tests.browser.screenshots

docs: $(VENV)/.installed-dev ## Write docs/errors.md again, from the errors of the code
	$(BIN)/python -m tests.examples.error_document

check: $(VENV)/.installed-dev ## Lint, types, import rules, migrations, Django's checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-cache
	LEDGER_DATA_DIR=.data-test $(BIN)/python manage.py makemigrations --check --dry-run
	LEDGER_DATA_DIR=.data-test $(BIN)/python manage.py check

format: $(VENV)/.installed-dev ## Format and fix what can be fixed
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

lock: $(VENV)/.installed-dev ## Pin all requirements again, with hashes
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-header --no-emit-index-url --upgrade requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-header --no-emit-index-url --upgrade requirements-dev.in -o requirements-dev.txt

bench: $(VENV)/.installed-dev ## Measure everything beside pgbench and peers in one run (SECONDS=2 GROWTH=10000 is the short form; PARTS=reads,… is less)
	$(BIN)/python -m benchmarks

compare: $(VENV)/.installed-dev ## Measure this checkout beside another revision (BASE), alternately (SECONDS=2, ROUNDS=9)
	$(BIN)/python -m benchmarks.compare $${BASE:?which revision}

soak: $(VENV)/.installed-dev ## Random commands against a model for SECONDS (600)
	SOAK_SECONDS=$${SECONDS:-600} $(BIN)/python -m pytest tests/services/test_state_machine.py -p no:cacheprovider

chaos: $(VENV)/.installed-dev ## Break workers, connections and the database under load for SECONDS (600); the seed is printed
	CHAOS=1 SECONDS=$${SECONDS:-600} $(BIN)/python -m pytest tests/faults/test_chaos.py -s -p no:cacheprovider

fuzz: $(VENV)/.installed-dev ## Odd requests: EXAMPLES (5000) by the OpenAPI document in each mode, and twice as many malformed ones by socket
	EXAMPLES=$${EXAMPLES:-5000} $(BIN)/python -m pytest tests/fuzz -s -p no:cacheprovider

audit: $(VENV)/.installed-dev ## Known vulnerabilities of what we require (needs the network)
	@for file in requirements.txt requirements-dev.txt; do \
		echo "pip-audit $$file"; \
		$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner=off -r $$file || { \
			echo "$$file IS NOT CLEAN: a vulnerability is listed above, or the list of vulnerabilities could not be reached" \
				"and nothing was audited. Then run this where the network allows it." >&2; exit 1; }; \
	done

clean: ## Remove what was generated; the data of `make run` too
	@$(PYTHON) -m ledger_project.database.embedded_places $(VENV) .data .data-test*
	rm -rf $(VENV) .data .data-test* tests/generators/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles
