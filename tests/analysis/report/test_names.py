"""Arms are called by what differs between them."""

from __future__ import annotations

import pytest

from analysis.report.names import short_names


@pytest.mark.parametrize(
    ("arms", "short"),
    [
        (["hue/sinclass/resnet18/sinclass"], ["hue"]),
        (["hue/sinclass/r18/sinclass", "plain/sinclass/r18/sinclass"], ["hue", "plain"]),
        (["hue/sinclass/r18/sinclass", "hue/objdet/r50/sinclass"], ["sinclass / r18", "objdet / r50"]),
        (["hue/a/r18/t", "hue/a/r50/t", "plain/a/r18/t"], ["hue / r18", "hue / r50", "plain / r18"]),
        # what is no name of four parts stays
        (["all runs"], ["all runs"]),
        (["a/b", "c/d"], ["a/b", "c/d"]),
        ([], []),
    ],
)
def test_arms_are_named_by_the_parts_in_which_they_differ(arms: list[str], short: list[str]) -> None:
    assert list(short_names(arms).values()) == short
