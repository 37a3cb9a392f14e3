"""What a trial's process is handed: it holds the place and reads nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys

from analysis.policy.runs import Run
from sweeper.stages.identity import Trial
from sweeper.storage.artifacts import Manifest

CHECKPOINT = Manifest("0f", {"stage": "pretrain", "n": 100}, "a", {"model.pt": {"bytes": 7}}, {"metric": float("inf")})


def test_a_trial_comes_out_of_its_text_as_it_went_in() -> None:
    run = Run("plain/mulclass/small_resnet/sinclass", 100, 0, 300)
    for checkpoint in (None, CHECKPOINT):
        trial = Trial(run, 1, {"lr": 0.1, "batch_size": 32, "schedule": "cosine"}, "validation", checkpoint)
        assert Trial.from_text(trial.text) == trial


def test_a_process_that_only_holds_a_place_imports_nothing_of_the_stages() -> None:
    code = (
        "import sys, sweeper.stages.trial; "
        "print([name for name in sys.modules if name.startswith(('sweeper.stages.', 'tasks', 'torch', 'scipy'))])"
    )

    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert imported.stdout.strip() == b"['sweeper.stages.trial']"
