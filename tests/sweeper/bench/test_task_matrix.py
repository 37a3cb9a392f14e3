"""The table of what works with what, by parts."""

from __future__ import annotations

import re

import pytest

from sweeper.bench import task_matrix as matrix


def test_a_part_of_the_table_is_asked_for_by_task_and_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    matrix.main(["--steps", "1", "--test", "4", "--tasks", "sinclass,objdet", "small_resnet", "vit_s_16"])

    head, _, small, vit = capsys.readouterr().out.splitlines()
    assert head == "| backbone | steps | sinclass | objdet |"
    # before and after for a classifier; a detector is scored after its training alone
    assert re.fullmatch(r"\| small_resnet \| 1 \| 0\.\d\d -> 0\.\d\d \| -> 0\.\d\d \|", small)
    assert re.fullmatch(r"\| vit_s_16 \| 1 \| 0\.\d\d -> 0\.\d\d \| error \|", vit)


def test_an_unknown_task_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        matrix.main(["--tasks", "objdet,flying"])

    assert "unknown 'flying'; known: depth, insseg, keypoint" in capsys.readouterr().err
