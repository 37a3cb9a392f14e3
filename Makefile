# demo: the whole idea on real parts, to its report.  test: the fast tests.  test-slow: those that take minutes.
# test-nightly: those that CI has no time for.
PYTHON = .venv/bin/python
export SWEEPER_DATA_ROOT

.PHONY: setup demo test test-slow test-nightly lint format lock

setup:
	@./setup.sh

demo: setup
	@./demo.sh

test:
	@./setup.sh test
	$(PYTHON) -m pytest -m "not slow" -n 2 --dist loadfile

test-slow:
	@./setup.sh test
	$(PYTHON) -m pytest -m "slow and not nightly"

test-nightly:
	@./setup.sh test
	$(PYTHON) -m pytest -m nightly

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) docs/dev/floors.py --check

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# Pin anew what pyproject.toml asks for.
lock: setup
	.venv/bin/uv pip compile pyproject.toml --extra dev --generate-hashes --python-version 3.11 \
		--no-header --no-annotate -o requirements.txt
	printf '%s\n' google-api-python-client google-auth-httplib2 httplib2 | .venv/bin/uv pip compile - -c requirements.txt \
		--generate-hashes --python-version 3.11 --no-header --no-annotate -o configs/cluster/requirements-gcp.txt
