"""Experiment trackers, callbacks of the reporter: Ray's metrics (for Prometheus), TensorBoard's files, MLflow, W&B."""

import importlib.util
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweeper.budget.ledger import Ledger
from sweeper.config.extras import install
from sweeper.errors import BadInput, one_line
from sweeper.events.reporter import EventCallback

log = logging.getLogger("sweeper")

TENSORBOARD = "tensorboard"
MLFLOW = "mlruns"
WANDB = "wandb"
# What each value of `log_to` needs on the driver.
_MODULES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
# How long a tracking server may take to answer.
_ANSWERS_S = 3.0
# How long the start of W&B and the upload of its last data may take.
_WANDB_S = 60.0


def ray_metrics(sweep: str, ledger: Ledger) -> EventCallback:
    """Runs observed, images/s and spend as Ray metrics with the sweep as tag; Ray must have been started."""
    from ray.util.metrics import Counter, Gauge

    tags = {"sweep": sweep}
    runs = Counter("sweeper_runs", "Runs observed by this driver.", tag_keys=("sweep",))
    speed = Gauge("sweeper_images_per_s", "Images rendered or trained on a second.", tag_keys=("sweep", "stage"))
    usd = Gauge("sweeper_usd", "Dollars spent over all restarts.", tag_keys=("sweep",))
    device_s = Gauge("sweeper_device_seconds", "Device-seconds spent over all restarts.", tag_keys=("sweep",))

    def on_event(event: str, fields: dict[str, Any]) -> None:
        if event == "progress" and fields["unit"] == "images":
            speed.set(fields["rate"], tags | {"stage": fields["stage"]})
        elif event == "observed":
            runs.inc(1, tags)
        spent = ledger.spent()
        usd.set(spent.usd, tags)
        device_s.set(spent.device_s, tags)

    return on_event


def tensorboard(folder: Path, ledger: Ledger) -> EventCallback:
    """The error of each run at step n, by arm (and s, of several), and the dollars spent, in `tensorboard`."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    (folder / TENSORBOARD).mkdir(parents=True, exist_ok=True)
    # Not SummaryWriter: its thread may still hold events when the driver ends.
    writer = EventsWriter(str(folder / TENSORBOARD / "events"))
    runs = 0

    def on_event(event: str, fields: dict[str, Any]) -> None:
        nonlocal runs
        if event != "observed":
            return
        runs += 1
        found = ((f"error/{_curve(fields)}", fields["error"], fields["n"]), ("spent/usd", ledger.spent().usd, runs))
        for tag, value, step in found:
            writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(tag, value)))
        writer.flush()

    return on_event


def _curve(fields: dict[str, Any]) -> str:
    """What an observed run's error is a point of, over n: its arm, and its s where the sweep has several."""
    return f"{fields['arm']}/s={fields['s']}" if "s" in fields else str(fields["arm"])


def check_tracker(name: str) -> None:
    """Raises BadInput where what `log_to` names is not installed; asked before anything is spent."""
    found = importlib.util.find_spec(_MODULES[name])
    # W&B leaves folders called wandb; without an __init__.py they have no origin.
    if found is None or found.origin is None:
        raise BadInput(f"log_to: {name} is not installed on the driver; {install('trackers')}; or leave it out")


def _no_answer(uri: str) -> str:
    """Why a tracking server cannot be used, after a few seconds at most; empty where it answers, or is no server."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), _ANSWERS_S).close()
    except (OSError, ValueError) as error:
        return f"no server answers at {parts.scheme}://{parts.hostname}:{parts.netloc.rpartition(':')[2]} ({error})"
    return ""


def mlflow(folder: Path, sweep: str, ledger: Ledger) -> EventCallback:
    """Each run as a run of the MLflow experiment `sweep`: its arm, n and seed, its error, the dollars spent by then.

    Runs go to the server of MLFLOW_TRACKING_URI; without one, into files in the run folder's `mlruns`.
    """
    # MLflow refuses its file store without this.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    uri = os.environ.get("MLFLOW_TRACKING_URI") or (folder.absolute() / MLFLOW).as_uri()
    # MLflow would try for minutes, in the driver's loop, whatever does not answer.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(int(_ANSWERS_S)))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    silent = _no_answer(uri)
    if silent:
        log.warning("mlflow: %s; nothing is logged there, the results are in the run folder", silent)
        return lambda event, fields: None
    client = MlflowClient(uri)
    failed = False

    def log_run(fields: dict[str, Any]) -> None:
        known = client.get_experiment_by_name(sweep)
        experiment = known.experiment_id if known else client.create_experiment(sweep)
        name = f"{_curve(fields)} n={fields['n']} seed={fields['seed']}"
        run = client.create_run(experiment, run_name=name).info.run_id
        for key in ("arm", "n", "s", "seed"):
            if key not in fields:
                continue
            client.log_param(run, key, fields[key])
        client.log_metric(run, "error", fields["error"], step=fields["n"])
        client.log_metric(run, "spent_usd", ledger.spent().usd)
        client.set_terminated(run)

    def on_event(event: str, fields: dict[str, Any]) -> None:
        nonlocal failed
        if event != "observed" or failed:
            return
        try:
            log_run(fields)
        except MlflowException as error:
            # The results are in the table: a tracker must not end a sweep, nor keep it waiting at every run.
            failed = True
            log.warning(
                "mlflow: run of %s n=%s not logged, and none after it: %s",
                fields["arm"],
                fields["n"],
                one_line(error),
            )

    return on_event


@contextmanager
def wandb(folder: Path, sweep: str, ledger: Ledger) -> Iterator[EventCallback]:
    """A run of the W&B project `sweep`: each run's error over n, by arm, and the dollars spent by then.

    It goes to the account of WANDB_API_KEY, or where WANDB_MODE says; without both, into files in the run folder's
    `wandb`, which `wandb sync` sends.
    """
    # Offline, W&B asks for no account and reaches nobody.
    mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    failed = False

    def given_up(what: str, error: object) -> None:
        # The results are in the table: a tracker must not end a sweep. So every exception of W&B's is caught.
        nonlocal failed
        failed = True
        log.warning("wandb: %s; nothing more is logged there, the results are in the run folder", f"{what}: {error}")

    try:
        run = _wandb_run(folder, sweep, mode)
    except Exception as error:
        given_up("it does not start", one_line(error))

    def on_event(event: str, fields: dict[str, Any]) -> None:
        if event != "observed" or failed:
            return
        found = {"n": fields["n"], f"error/{_curve(fields)}": fields["error"], "seed": fields["seed"]}
        found |= {"s": fields["s"]} if "s" in fields else {}
        try:
            run.log(found | {"spent_usd": ledger.spent().usd})
        except Exception as error:
            given_up(f"run of {fields['arm']} n={fields['n']} not logged", one_line(error))

    try:
        yield on_event
    finally:
        if not failed:
            # A thread, since it waits for a server for as long as that is away.
            ending = threading.Thread(target=run.finish, daemon=True)
            ending.start()
            ending.join(_WANDB_S)
            if ending.is_alive():
                log.warning("wandb: not everything was sent in %.0f s; wandb sync sends the rest", _WANDB_S)


def _wandb_run(folder: Path, sweep: str, mode: Any) -> Any:
    """A new run, with errors drawn over n; code, git and what is printed are not sent."""
    import wandb

    quiet = {"silent": True, "console": "off", "disable_git": True, "disable_code": True, "init_timeout": _WANDB_S}
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(**quiet)
    run = wandb.init(project=sweep, name=sweep, dir=str(folder.absolute()), mode=mode, settings=settings)
    run.define_metric("error/*", step_metric="n")
    return run
