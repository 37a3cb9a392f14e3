"""How tests are spread over processes: a file's tests stay together, as do all that look at the one simulated sweep."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each test, for `--dist loadgroup`: a sweep that takes minutes is run in one process alone."""
    for item in items:
        shared = "simulated" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("simulated sweep" if shared else item.nodeid.partition("::")[0]))
