"""What goes on side by side: as much as the nodes hold, earlier runs first; the nodes and the work are the test's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweeper.budget.ledger import Ledger
from sweeper.budget.reservation import Reservation
from sweeper.cluster.admission import Admission
from sweeper.cluster.resources import Need
from sweeper.config.schema import Budget
from sweeper.events.reporter import Reporter
from sweeper.stages import prepare
from sweeper.stages.inventory import Inventory
from sweeper.stages.prepare import Stages
from sweeper.storage.artifacts import ArtifactStore
from sweeper.study.arms import make_plan
from tests.sweeper.examples import real_sweep, sweep_of

PATIENCE_S = 20
NEEDS = [Need("render.actors", "CPU", 1, 2), Need("pretrain.workers", "CPU", 1, 2), Need("finetune.cpus", "CPU", 1)]


def comes(moment: Callable[[], bool]) -> bool:
    """Whether a moment comes before the patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not moment() and time.monotonic() < deadline:
        time.sleep(0.01)
    return moment()


@dataclass
class Runs:
    """Runs that are in a room until they are told to go on."""

    admission: Admission
    inside: list[str] = field(default_factory=list)
    told: dict[str, threading.Event] = field(default_factory=dict)

    def begin(self, name: str, *works: tuple[str, str]) -> None:
        """A run with these stages, one after the other; back when it waits for the first or is in it."""
        for stage, _ in works:
            self.told[f"{name} {stage}"] = threading.Event()

        def run() -> None:
            with self.admission.turn() as turn:
                for stage, what in works:
                    turn.enter(stage, what)
                    self.inside.append(f"{name} {stage}")
                    self.told[f"{name} {stage}"].wait(PATIENCE_S)
                    self.inside.remove(f"{name} {stage}")

        waiting = len(self.admission._waiting) + len(self.admission._running)
        threading.Thread(target=run, daemon=True).start()
        assert comes(lambda: len(self.admission._waiting) + len(self.admission._running) > waiting)

    def go_on(self, name: str) -> None:
        self.told[name].set()
        assert comes(lambda: name not in self.inside)


def test_on_few_nodes_one_run_goes_from_its_first_stage_to_its_last_before_the_next() -> None:
    runs = Runs(Admission(lambda: [{"CPU": 4.0}], NEEDS))
    runs.begin("a", ("render", "x"), ("pretrain", "x1"))
    runs.begin("b", ("render", "y"))
    assert runs.inside == ["a render"]

    runs.go_on("a render")
    assert comes(lambda: runs.inside == ["a pretrain"])

    runs.go_on("a pretrain")
    assert comes(lambda: runs.inside == ["b render"])


def test_on_more_nodes_one_run_renders_while_another_trains_and_a_fine_tune_has_room() -> None:
    runs = Runs(Admission(lambda: [{"CPU": 3.0}, {"CPU": 2.0}], NEEDS))
    runs.begin("a", ("pretrain", "x1"))
    runs.begin("b", ("render", "y"))
    runs.begin("c", ("render", "z"))

    assert comes(lambda: sorted(runs.inside) == ["a pretrain", "b render"])
    assert runs.admission.running_stages() == {"render", "pretrain"}


def test_no_room_stands_empty_for_fine_tunes_while_there_are_none() -> None:
    runs = Runs(Admission(lambda: [{"CPU": 4.0}], NEEDS))
    runs.begin("a", ("pretrain", "x1"))
    runs.begin("b", ("pretrain", "y1"))
    runs.begin("c", ("pretrain", "z1"))
    assert runs.inside == ["a pretrain"]

    # when no run fine-tunes, then all cores are taken
    runs.admission.keep_room(False)
    assert comes(lambda: runs.inside == ["a pretrain", "b pretrain"])

    # and when one does, the next waits until there is room for both
    runs.admission.keep_room(True)
    runs.go_on("a pretrain")
    time.sleep(0.1)
    assert runs.inside == ["b pretrain"]
    runs.go_on("b pretrain")
    assert comes(lambda: runs.inside == ["c pretrain"])


def test_nothing_is_made_twice_at_a_time_and_who_waits_for_it_keeps_nobody_waiting() -> None:
    runs = Runs(Admission(lambda: [{"CPU": 100.0}], NEEDS))
    runs.begin("a", ("render", "x"))
    runs.begin("b", ("render", "x"))
    runs.begin("c", ("render", "y"))
    assert comes(lambda: sorted(runs.inside) == ["a render", "c render"])

    runs.go_on("a render")
    assert comes(lambda: sorted(runs.inside) == ["b render", "c render"])


def test_who_needs_much_is_not_passed_by_for_ever() -> None:
    needs = [Need("render.actors", "CPU", 1, 1), Need("pretrain.workers", "CPU", 1, 4)]
    runs = Runs(Admission(lambda: [{"CPU": 4.0}], needs))
    runs.begin("a", ("render", "x"))
    runs.begin("b", ("pretrain", "y1"))
    runs.begin("c", ("render", "z"))
    assert runs.inside == ["a render"]

    runs.go_on("a render")
    assert comes(lambda: runs.inside == ["b pretrain"])


def test_who_still_looks_up_what_is_there_is_not_overtaken() -> None:
    admission = Admission(lambda: [{"CPU": 2}], NEEDS)
    runs = Runs(admission)

    # given an earlier run that has not said yet what it lacks
    with admission.turn() as turn:
        runs.begin("later", ("pretrain", "b"))
        time.sleep(0.1)
        assert runs.inside == []

        # when it has, then it is first
        turn.enter("pretrain", "a")
        assert runs.inside == []

    # and the other after it
    assert comes(lambda: runs.inside == ["later pretrain"])
    runs.told["later pretrain"].set()


def test_nodes_that_come_let_in_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeper.cluster.admission.LOOK_S", 0.02)
    nodes = [{"CPU": 2.0}]
    runs = Runs(Admission(lambda: nodes, NEEDS))
    runs.begin("a", ("pretrain", "x1"))
    runs.begin("b", ("render", "y"))
    assert runs.inside == ["a pretrain"]

    nodes.append({"CPU": 3.0})
    assert comes(lambda: len(runs.inside) == 2)


def growing() -> tuple[Admission, Runs]:
    """Three cores, and renderings of one to three workers."""
    rendering = Need("render.actors", "CPU", 1, 3, least=1)
    others = [Need("pretrain.workers", "CPU", 1), Need("finetune.cpus", "CPU", 1)]
    admission = Admission(lambda: [{"CPU": 3.0}], [rendering, *others])
    return admission, Runs(admission)


def test_a_rendering_begins_with_the_workers_that_fit_and_takes_more_when_others_have_ended() -> None:
    admission, runs = growing()

    # given a run that pre-trains, beside which a fine-tune keeps its room
    runs.begin("a", ("pretrain", "x1"))
    with admission.turn() as turn:
        # when another renders, then with what is left, and with more once nothing is fine-tuned
        turn.enter("render", "y")
        assert turn.workers(3) == 1
        admission.keep_room(False)
        assert turn.workers(3) == 2

        # and while a third one waits, then it takes no more, though the first has ended
        runs.begin("b", ("pretrain", "z1"))
        runs.begin("c", ("pretrain", "w1"))
        runs.go_on("a pretrain")
        assert comes(lambda: runs.inside == ["b pretrain"])
        assert turn.workers(3) == 2
        runs.go_on("b pretrain")
        assert comes(lambda: runs.inside == ["c pretrain"])
        runs.go_on("c pretrain")

        # and alone it has all
        assert comes(lambda: turn.workers(3) == 3)


def test_who_waits_for_the_same_rendering_does_not_keep_it_small_and_its_end_gives_workers_back() -> None:
    admission, runs = growing()
    runs.begin("a", ("pretrain", "x1"))
    with admission.turn() as turn:
        turn.enter("render", "y")
        runs.begin("b", ("render", "y"))

        # given another that wants what is being rendered, when the pre-training has ended, then there is room for more
        runs.go_on("a pretrain")
        assert comes(lambda: turn.workers(3) == 2), "a fine-tune keeps its room"
        admission.keep_room(False)
        assert turn.workers(3) == 3

        # and when one shard is left, then others may have the rest
        runs.begin("c", ("pretrain", "z1"))
        assert turn.workers(3) == 3
        assert turn.workers(1) == 1
        assert comes(lambda: runs.inside == ["c pretrain"])
    runs.go_on("c pretrain")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Rendering and pre-training that make nothing; pre-training lasts until it is told to end."""
    state = SimpleNamespace(rendering=[], pretraining=[], done=threading.Event(), nodes=[{"CPU": 2.0}])
    metrics = {"metric": 0.5, "images_per_s": 1.0, "seconds": 0.0}

    def render(sets: Any, *more: Any) -> list[list[Any]]:
        state.rendering.append(sets[0].setting.light)
        return [[], []]

    def pretrain(job: Any, scratch: str) -> Any:
        state.pretraining.append(job.arm.rendering)
        state.done.wait(PATIENCE_S)
        return SimpleNamespace(metrics=metrics)

    monkeypatch.setattr(prepare, "nodes_now", lambda: state.nodes)
    monkeypatch.setattr(prepare, "missing_images", lambda *told: 100)
    monkeypatch.setattr(prepare, "ensure_rendered", render)
    monkeypatch.setattr(prepare, "pretrain", pretrain)
    yield state
    state.done.set()


def begun(tmp_path: Path, threads: ThreadPoolExecutor, work: SimpleNamespace) -> Future[Any]:
    """A run that is pre-training, and then one of another arm, which has to render."""
    config = sweep_of(tmp_path, real_sweep())
    ledger, store = Ledger(tmp_path / "ledger.jsonl", Budget()), ArtifactStore(str(tmp_path / "store"))
    made = Stages(config, Inventory(config, store), store, Reporter("json"), str(tmp_path), None)
    plan = make_plan(config)
    first, second = (plan.run(arm, 1000, 0) for arm in plan.arms)
    threads.submit(made.prepare, first, Reservation(ledger, first.what, {}))
    assert comes(lambda: len(work.pretraining) == 1)
    return threads.submit(made.prepare, second, Reservation(ledger, second.what, {}))


def test_one_arm_is_rendered_while_another_is_trained_where_the_nodes_hold_both(
    tmp_path: Path, work: SimpleNamespace
) -> None:
    work.nodes.append({"CPU": 8.0})
    with ThreadPoolExecutor() as threads:
        begun(tmp_path, threads, work)

        assert comes(lambda: len(work.rendering) == 2)
        assert not work.done.is_set()
        work.done.set()


def test_on_one_small_machine_they_take_turns(tmp_path: Path, work: SimpleNamespace) -> None:
    with ThreadPoolExecutor() as threads:
        second = begun(tmp_path, threads, work)
        time.sleep(0.2)
        assert len(work.rendering) == 1

        work.done.set()
        second.result(PATIENCE_S)
        assert len(work.rendering) == 2
