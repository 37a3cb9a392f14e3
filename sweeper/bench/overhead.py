"""`sweeper bench overhead`: what the driver costs a run, and whether that grows with the number of runs.

Two thousand runs of the simulated task go through the real loop: policy, ledger, results table, store, Ray Tune. The
reference is Ray Tune alone, with as many trials of a function that does nothing. Apart from that, the time of one
proposal over many arms.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune

from analysis.estimator.fit import fit_law
from analysis.laws import law_error
from analysis.policy.adaptive import propose
from analysis.policy.runs import ArmState, Run
from analysis.replay.pools import STANDARD_PRICES
from sweeper.bench.figures import Figure, processor_seconds
from sweeper.bench.simulated_sweep import ObservedTimes, simulated_sweep
from sweeper.cluster.session import ray_session
from sweeper.commands.run import run_sweep
from sweeper.config.schema import SweepConfig
from sweeper.search.experiment import set_tune_up

ARMS, SIZES, SEEDS = 40, 10, 5
RUNS = ARMS * SIZES * SEEDS
_IN_FLIGHT = 4


def measure(runs: int = RUNS) -> dict[str, Figure]:
    """Figures of one large proposal and of so many runs."""
    return {"proposal_200_arms_s": proposal()} | figures(runs)


def proposal(arms: int = 200, sizes: int = 12, pending: int = 50) -> Figure:
    """Seconds of processor time of one proposal, beside asking the same arms one by one."""
    states = _states(arms, sizes)
    ladder = _ladder(sizes)
    candidates = {state.arm: ladder for state in states}
    under_way = [Run(states[4 * i % arms].arm, ladder[i % sizes], 9) for i in range(pending)]
    cost = STANDARD_PRICES.cost(())
    once = processor_seconds(lambda: propose(states, candidates, cost, under_way))
    apart = processor_seconds(lambda: [propose([state], candidates, cost, under_way) for state in states])
    return Figure(once, apart, f"s; {arms} arms, {sizes} sizes, {pending} pending; reference: arm by arm")


def figures(runs: int) -> dict[str, Figure]:
    """Driver time a run in ms (the mean), and how many ms a run it grows by over 1,000 runs (least squares)."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ours = _loop(Path(folder), runs)
        plain = _tune_alone(Path(folder), len(ours))
    return {
        "driver_ms_per_run": Figure(
            float(ours.mean()),
            float(plain.mean()),
            f"ms of driver time a run, {len(ours)} runs; reference: Tune alone",
        ),
        "driver_ms_slope": Figure(
            slope(ours), slope(plain), "ms a run more after each 1,000 runs; reference: Tune alone"
        ),
    }


def _states(arms: int, sizes: int) -> list[ArmState]:
    """Arms with six runs each; a few laws come round, for fitting is not what is measured."""
    n = np.repeat(_ladder(sizes)[:7:3], 2).astype(float)
    rng, fits = np.random.default_rng(0), []
    for i in range(10):
        error = law_error(n, 0.2 + 0.06 * i, 0.1, 2.0) * np.exp(0.01 * rng.standard_normal(n.size))
        fits.append(fit_law(n, error))
    names = [f"arm {i}" for i in range(arms)]
    return [
        ArmState(name, fits[i % 10], tuple(Run(name, int(each), j) for j, each in enumerate(n)))
        for i, name in enumerate(names)
    ]


def _ladder(sizes: int) -> list[int]:
    return [1000 * 2**i for i in range(sizes)]


def slope(ms: np.ndarray) -> float:
    """Growth of the time of a run, in ms over 1,000 runs."""
    return float(np.polyfit(np.arange(ms.size) / 1000, ms, 1)[0])


def sweep_config(folder: Path, runs: int) -> SweepConfig:
    """A simulated sweep of `runs` runs that no precision and no verdict ends."""
    arms = max(1, round(runs / (SIZES * SEEDS)))
    laws = {f"setting-{i}": {"alpha": 0.3 + 0.4 * i / arms, "C": 0.1, "D": 2.0, "sigma": 0.01} for i in range(arms)}
    policy = {"in_flight": _IN_FLIGHT, "max_seeds": SEEDS, "reference_seeds": 1}
    endless = {"objective": "predict", "n_target": 1_000_000, "stop": {"prediction_sd": 1e-9}}
    return simulated_sweep(folder, laws, SIZES, 0.25, name="overhead", policy=policy, **endless)


def _loop(folder: Path, runs: int) -> np.ndarray:
    observed = ObservedTimes(time.process_time)
    run_sweep(sweep_config(folder, runs), observed)
    return np.diff(observed.seconds) * 1000


class _EndTimes(tune.Callback):
    """Notes the driver's processor time at its start and whenever a trial ended."""

    def __init__(self) -> None:
        self.seconds = [time.process_time()]

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.seconds.append(time.process_time())


def _nothing(params: dict[str, Any]) -> None:
    tune.report({"error": 0.5})


def _tune_alone(folder: Path, trials: int) -> np.ndarray:
    ends = _EndTimes()
    with ray_session(sweep_config(folder, 1)):
        set_tune_up()
        tuner = tune.Tuner(
            tune.with_resources(_nothing, {"cpu": 0.25}),
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=_IN_FLIGHT, reuse_actors=True),
            run_config=tune.RunConfig(name="plain", storage_path=str(folder / "plain"), verbose=0, callbacks=[ends]),
        )
        tuner.fit()
    return np.diff(ends.seconds) * 1000
