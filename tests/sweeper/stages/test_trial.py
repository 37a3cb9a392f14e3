"""What a trial's process is handed: it holds the place and reads nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys

from ray.cloudpickle import dumps, loads

from analysis.policy.runs import Run
from sweeper.stages.identity import Trial
from sweeper.stages.trial import Sealed

TRIAL = Trial(Run("plain/mulclass/small_resnet/sinclass", 100, 0), 0, {"lr": 0.1}, "test", None)


def test_what_is_sealed_comes_out_as_it_went_in() -> None:
    assert loads(dumps(Sealed(TRIAL))).value == TRIAL


def test_a_process_that_hands_it_on_imports_nothing_of_the_stages() -> None:
    # given a process that receives what a trial is told, and passes it on
    code = (
        "import pickle, sys; pickle.dumps(pickle.loads(sys.stdin.buffer.read())); "
        "print([name for name in sys.modules if name.startswith(('sweeper.stages.', 'tasks', 'torch', 'scipy'))])"
    )

    told = subprocess.run([sys.executable, "-c", code], input=dumps(Sealed(TRIAL)), capture_output=True, check=True)

    assert told.stdout.strip() == b"['sweeper.stages.trial']"
