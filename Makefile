# Every target has a help text; `make` alone lists them. The logic is in tools/.

PYTHON_IN_VENV := .venv/bin/python
.DEFAULT_GOAL := help
# With this variable set, every server and command that is started would compile all its modules again, for seconds.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup run test cases check generate docs pictures site format bench soak reliability outages wheels release typescript lock clean venv-run venv-dev venv-bare

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

setup: venv-dev ## Create .venv with everything in the lock files (choose the interpreter with PYTHON=...)

run: venv-run ## Start the server, an embedded database, a sample book and the console (flags: ARGS="...")
	@AFFILIA_SAMPLE_BOOK=$${AFFILIA_SAMPLE_BOOK-1} exec $(PYTHON_IN_VENV) -m tools.run $(ARGS)

test: venv-dev ## Run the tests (pytest's flags: ARGS="...")
	@$(PYTHON_IN_VENV) -m pytest $(or $(ARGS),tests)

cases: venv-dev ## Run the JSON cases against a server (other cases: AFFILIA_CASES=folder)
	@$(PYTHON_IN_VENV) -m pytest tests/scenarios/test_cases.py $(ARGS)

check: venv-dev ## Check format, lint, types, imports, protos, stubs, docs, locks (some: ONLY="types imports")
	@$(PYTHON_IN_VENV) -m tools.check $(ONLY)

generate: venv-dev ## Generate the stubs in generated/ and the types of the client's calls from protos/
	@$(PYTHON_IN_VENV) -m tools.protos generate
	@$(PYTHON_IN_VENV) -m tools.client_stubs write

docs: venv-dev ## Generate docs/reference/ and docs/pictures/ from protos, errors, settings and metrics
	@$(PYTHON_IN_VENV) -m tools.docs write

site: venv-bare ## Build the documentation site in .build/site (serve it: ARGS=serve)
	@$(PYTHON_IN_VENV) -m tools.site $(ARGS)

pictures: venv-dev ## Take screenshots of every page of the console (also those in docs/: ARGS=--docs; requires Chromium)
	@$(PYTHON_IN_VENV) -m tools.pictures $(ARGS)

format: venv-dev ## Format Python and protos, and apply Ruff's fixes
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format --quiet
	@.venv/bin/buf format --write protos

bench: venv-dev ## Run the benchmarks (flags: ARGS="...")
	@$(PYTHON_IN_VENV) -m benchmarks $(ARGS)

soak: venv-dev ## Put a server under load and watch its memory (ARGS="minutes pause", default "60 0.05"; --default-caches)
	@$(PYTHON_IN_VENV) -m benchmarks.soak $(ARGS)

reliability: venv-dev ## Repeat kills, faults and mutants as often as docs/guarantees.md reports (pytest's flags: ARGS="...")
	@AFFILIA_RELIABILITY=full $(PYTHON_IN_VENV) -m pytest -s tests/reliability $(ARGS)

outages: venv-dev ## Freeze, kill and restart servers and PostgreSQL under load (ARGS="minutes")
	@$(PYTHON_IN_VENV) -m benchmarks.outages $(ARGS)

wheels: venv-dev ## Build the three published wheels into dist/
	@$(PYTHON_IN_VENV) -m tools.wheels

release: venv-dev ## Check, build wheels, bills of materials and notes, and tag the version (without the tag: ARGS=--dry-run)
	@$(PYTHON_IN_VENV) -m tools.release $(ARGS)

typescript: venv-dev ## Generate TypeScript stubs and build their example in clients/typescript/ (requires node and npm)
	@$(PYTHON_IN_VENV) -m tools.protos third-party
	@cd clients/typescript && npm ci --no-audit --no-fund && ../../.venv/bin/buf generate ../.. && npm run build

lock: venv-bare ## Resolve pyproject.toml into the lock files (newer versions: ARGS=--upgrade or ARGS="name name")
	@$(PYTHON_IN_VENV) -m tools.lock $(ARGS)

clean: ## Remove build results, but not .venv or the database in .data
	@rm -rf .build dist
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

venv-run venv-dev venv-bare: venv-%:
	@PYTHON="$(PYTHON)" tools/environment $*
