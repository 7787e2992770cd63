# Every target says what it is for; `make` alone lists them. The logic is in tools/.

PYTHON_IN_VENV := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup run test cases check generate docs format bench soak wheels typescript lock clean venv-run venv-dev venv-bare

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

setup: venv-dev ## Make .venv and install everything that is locked (PYTHON=... picks the interpreter)

run: venv-run ## Start the server with an embedded database and a sample book (flags: ARGS="...")
	@AFFILIA_SAMPLE_BOOK=$${AFFILIA_SAMPLE_BOOK-1} exec $(PYTHON_IN_VENV) -m server serve --dev $(ARGS)

test: venv-dev ## Run the tests (pytest's flags: ARGS="...")
	@$(PYTHON_IN_VENV) -m pytest $(or $(ARGS),tests)

cases: venv-dev ## Play the JSON cases against a running server (AFFILIA_CASES=folder for others)
	@$(PYTHON_IN_VENV) -m pytest tests/scenarios/test_cases.py $(ARGS)

check: venv-dev ## Format, lint, types, imports, protos, stale stubs, locks (some: ONLY="types imports")
	@$(PYTHON_IN_VENV) -m tools.check $(ONLY)

generate: venv-dev ## Write generated/ from protos/, and the types of the client's calls
	@$(PYTHON_IN_VENV) -m tools.protos generate
	@$(PYTHON_IN_VENV) -m tools.client_stubs write

docs: venv-dev ## Write docs/reference/ and docs/pictures/ from protos, errors, settings
	@$(PYTHON_IN_VENV) -m tools.docs write

format: venv-dev ## Format Python and protos, and mend what Ruff can mend
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format --quiet
	@.venv/bin/buf format --write protos

bench: venv-dev ## Measure (flags: ARGS="...")
	@$(PYTHON_IN_VENV) -m benchmarks $(ARGS)

soak: venv-dev ## Measure for a long time under load (flags: ARGS="...")
	@$(PYTHON_IN_VENV) -m benchmarks.soak $(ARGS)

wheels: venv-dev ## Build what is published into dist/
	@$(PYTHON_IN_VENV) -m tools.wheels

typescript: venv-dev ## Make the TypeScript stubs and their example in clients/typescript/ (needs node and npm)
	@$(PYTHON_IN_VENV) -m tools.protos third-party
	@cd clients/typescript && npm ci --no-audit --no-fund && ../../.venv/bin/buf generate ../.. && npm run build

lock: venv-bare ## Resolve pyproject.toml into the lock files (newer versions: ARGS=--upgrade or ARGS="name name")
	@$(PYTHON_IN_VENV) -m tools.lock $(ARGS)

clean: ## Remove what was built; the database in .data and .venv stay
	@rm -rf .build dist
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

venv-run venv-dev venv-bare: venv-%:
	@PYTHON="$(PYTHON)" tools/environment $*
