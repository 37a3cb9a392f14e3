# demo: the whole idea on real parts, to its report.  test: the fast tests.  test-slow: those that take minutes.
# test-nightly: those that CI has no time for.  docs: the pages as a site, in build/site.
PYTHON = .venv/bin/python
export SWEEPER_DATA_ROOT

.PHONY: setup demo test test-slow test-nightly lint format lock docs reference

setup:
	@./setup.sh

demo: setup
	@./demo.sh

test:
	@./setup.sh test
	$(PYTHON) -m pytest -m "not slow" -n 2 --dist loadgroup

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

# Keys of the sweep file and commands, written from the code.
reference: setup
	$(PYTHON) docs/dev/reference.py

# In an environment of its own: what builds pages is no part of the program.
docs: setup
	[ -x .venv/docs/bin/python ] || .venv/bin/uv venv -q --python 3.11 .venv/docs
	.venv/bin/uv pip install -q --python .venv/docs/bin/python --require-hashes -r requirements-docs.txt
	$(PYTHON) docs/dev/reference.py --check
	NO_MKDOCS_2_WARNING=1 .venv/docs/bin/python -m mkdocs build --quiet
	@echo build/site/index.html

# Pin anew what pyproject.toml asks for.
lock: setup
	.venv/bin/uv pip compile pyproject.toml --extra dev --generate-hashes --python-version 3.11 \
		--no-header --no-annotate -o requirements.txt
	printf '%s\n' google-api-python-client google-auth-httplib2 httplib2 | .venv/bin/uv pip compile - -c requirements.txt \
		--generate-hashes --python-version 3.11 --no-header --no-annotate -o configs/cluster/requirements-gcp.txt
	echo timm==1.0.31 | .venv/bin/uv pip compile - -c requirements.txt --generate-hashes --python-version 3.11 \
		--no-header --no-annotate -o requirements-timm.txt
	echo mkdocs-material | .venv/bin/uv pip compile - --generate-hashes --python-version 3.11 \
		--no-header --no-annotate -o requirements-docs.txt
