"""What those who watch from outside are told."""

from __future__ import annotations

import socket
import struct
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from sweeper.budget.ledger import Ledger
from sweeper.commands.check import check
from sweeper.config.schema import Budget
from sweeper.errors import BadInput
from sweeper.events.reporter import Reporter
from sweeper.events.trackers import mlflow, tensorboard, wandb
from tests.sweeper.examples import simulated_sweep, sweep_of


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of TensorBoard's record files: length, its checksum, an event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack("<Q", data[at : at + 8])
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            at += 16 + length
    return found


def test_tensorboard_has_each_runs_error_at_its_n_and_the_spend(tmp_path: Path) -> None:
    reporter, ledger = Reporter("json"), Ledger(tmp_path / "ledger.jsonl", Budget())
    reporter.set_callbacks(tensorboard(tmp_path, ledger))

    reporter.event("observed", "a run", arm="plain/simulated", n=1000, seed=0, error=0.25)
    reporter.event("decided", "nothing that has an error", arm="plain/simulated", n=2000)

    assert scalars(tmp_path / "tensorboard") == [
        ("error/plain/simulated", 1000, pytest.approx(0.25)),
        ("spent/usd", 1, 0.0),
    ]


def test_mlflows_file_store_has_each_run_with_its_error_and_the_spend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="no MLflow: pip install mlflow-skinny")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    reporter, ledger = Reporter("json"), Ledger(tmp_path / "ledger.jsonl", Budget())
    reporter.set_callbacks(mlflow(tmp_path, "toy", ledger))

    for n, error in ((1000, 0.25), (2000, 0.2)):
        reporter.event("observed", "a run", arm="plain/simulated", n=n, seed=0, error=error)
    reporter.event("decided", "nothing that has an error", arm="plain/simulated", n=4000)

    client = tracking.MlflowClient((tmp_path / "mlruns").as_uri())
    runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    found = {(run.data.params["arm"], run.data.params["n"], run.data.metrics["error"]) for run in runs}
    assert found == {("plain/simulated", "1000", 0.25), ("plain/simulated", "2000", 0.2)}
    assert all(run.info.status == "FINISHED" and run.data.metrics["spent_usd"] == 0.0 for run in runs)


def test_a_server_that_is_not_there_does_not_end_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mlflow", reason="no MLflow: pip install mlflow-skinny")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hidden@127.0.0.1:1")
    began = time.monotonic()
    told = mlflow(tmp_path, "toy", Ledger(tmp_path / "ledger.jsonl", Budget()))

    for n in (1000, 2000, 4000):
        told("observed", {"arm": "plain/simulated", "n": n, "seed": 0, "error": 0.25})

    assert [record.getMessage() for record in caplog.records] == [
        "mlflow: no server answers at http://127.0.0.1:1 ([Errno 111] Connection refused);"
        " nothing is logged there, the results are in the run folder"
    ]
    assert time.monotonic() - began < 30


def test_a_server_that_accepts_and_never_answers_is_given_up_after_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a server that takes connections and says nothing, one warning is given and later runs wait for nothing."""
    pytest.importorskip("mlflow", reason="no MLflow: pip install mlflow-skinny")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        told = mlflow(tmp_path, "toy", Ledger(tmp_path / "ledger.jsonl", Budget()))

        told("observed", {"arm": "plain/simulated", "n": 1000, "seed": 0, "error": 0.25})
        began = time.monotonic()
        told("observed", {"arm": "plain/simulated", "n": 2000, "seed": 0, "error": 0.25})

        assert time.monotonic() - began < 0.5
    ours = [record.getMessage() for record in caplog.records if record.name == "sweeper"]
    assert len(ours) == 1
    assert ours[0].startswith("mlflow: run of plain/simulated n=1000 not logged, and none after it: ")


def test_wandb_without_an_account_has_each_run_in_a_file_that_is_whole_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="no W&B: pip install wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    reporter, ledger = Reporter("json"), Ledger(tmp_path / "ledger.jsonl", Budget())

    with wandb(tmp_path, "toy", ledger) as told:
        reporter.set_callbacks(told)
        for n, error in ((1000, 0.25), (2000, 0.2)):
            reporter.event("observed", "a run", arm="plain/simulated", n=n, seed=0, error=error)
        reporter.event("decided", "nothing that has an error", arm="plain/simulated", n=4000)

    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    content = file.read_bytes()
    assert content.count(b"error/plain/simulated") >= 2
    assert b"0.25" in content
    assert b"spent_usd" in content


def test_a_wandb_that_does_not_start_does_not_end_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # given a W&B that refuses
    def refuse(*_: object) -> None:
        raise RuntimeError("no room\nat all")

    monkeypatch.setattr("sweeper.events.trackers._wandb_run", refuse)

    # when runs are observed
    with wandb(tmp_path, "toy", Ledger(tmp_path / "ledger.jsonl", Budget())) as told:
        told("observed", {"arm": "plain/simulated", "n": 1000, "seed": 0, "error": 0.25})

    # then one line says so
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith("wandb: it does not start: no room")
    assert "\n" not in line


def test_what_wandb_still_has_to_send_is_waited_for_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # given a server that does not take the last data
    never = threading.Event()
    monkeypatch.setattr("sweeper.events.trackers._wandb_run", lambda *_: SimpleNamespace(finish=never.wait))
    monkeypatch.setattr("sweeper.events.trackers._WANDB_S", 0.05)

    # when the search ends
    with wandb(tmp_path, "toy", Ledger(tmp_path / "ledger.jsonl", Budget())):
        pass

    # then the driver goes on, and says how to send the rest
    never.set()
    assert ["wandb sync sends the rest" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
@pytest.mark.parametrize("found", [None, SimpleNamespace(origin=None)], ids=["nothing", "a folder of that name"])
def test_logging_to_what_is_not_installed_is_refused_before_anything_is_spent(
    name: str, found: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    with pytest.raises(BadInput, match=rf"log_to: {name} is not installed.*\[trackers\]"):
        check(sweep_of(tmp_path, simulated_sweep(log_to=name)))


def test_who_is_no_longer_told_hears_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reporter, heard = Reporter("json"), []
    reporter.set_callbacks(lambda event, fields: heard.append(event))
    reporter.progress("render", "plain", 1, 2, 3.0, "images")
    reporter.set_callbacks()
    reporter.event("observed", "a run")
    assert heard == ["progress"]


def test_runs_of_several_s_are_curves_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a sweep over renders and labels, whose runs say their s
    reporter, ledger = Reporter("json"), Ledger(tmp_path / "ledger.jsonl", Budget())
    kept: list[dict[str, object]] = []
    fake = SimpleNamespace(log=kept.append, finish=lambda: None)
    monkeypatch.setattr("sweeper.events.trackers._wandb_run", lambda *_: fake)

    # when two runs of one n are observed
    with wandb(tmp_path, "toy", ledger) as told:
        reporter.set_callbacks(tensorboard(tmp_path, ledger), told)
        for s, error in ((100, 0.5), (400, 0.25)):
            reporter.event("observed", "a run", arm="plain/simulated", n=1000, s=s, seed=0, error=error)

    # then no two points of a curve lie at one step
    curves = {(tag, step) for tag, step, _ in scalars(tmp_path / "tensorboard") if tag.startswith("error/")}
    # TensorBoard writes _ for =
    assert curves == {("error/plain/simulated/s_100", 1000), ("error/plain/simulated/s_400", 1000)}
    assert [each.get("error/plain/simulated/s=400") for each in kept] == [None, 0.25]
    assert [each["s"] for each in kept] == [100, 400]


def test_mlflow_keeps_the_s_of_a_run_where_it_varies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="no MLflow: pip install mlflow-skinny")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    told = mlflow(tmp_path, "toy", Ledger(tmp_path / "ledger.jsonl", Budget()))

    told("observed", {"arm": "plain/simulated", "n": 1000, "s": 400, "seed": 0, "error": 0.25})

    client = tracking.MlflowClient((tmp_path / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert run.data.params["s"] == "400"
    assert run.info.run_name == "plain/simulated/s=400 n=1000 seed=0"
