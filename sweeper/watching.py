"""What a sweep tells those who watch it from outside: Ray's metrics, for Prometheus, and TensorBoard's files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ray.util.metrics import Counter, Gauge

from sweeper.ledger import Ledger
from sweeper.progress import Listener

TENSORBOARD = "tensorboard"


def ray_metrics(sweep: str, ledger: Ledger) -> Listener:
    """Runs observed, images/s and spend as metrics of Ray, by sweep; needs a Ray that has been started."""
    tags = {"sweep": sweep}
    runs = Counter("sweeper_runs", "Runs observed by this driver.", tag_keys=("sweep",))
    speed = Gauge("sweeper_images_per_s", "Images rendered or trained on a second.", tag_keys=("sweep", "stage"))
    usd = Gauge("sweeper_usd", "Dollars spent over all restarts.", tag_keys=("sweep",))
    device_s = Gauge("sweeper_device_seconds", "Device-seconds spent over all restarts.", tag_keys=("sweep",))

    def told(event: str, fields: dict[str, Any]) -> None:
        if event == "progress" and fields["unit"] == "images":
            speed.set(fields["rate"], tags | {"stage": fields["stage"]})
        elif event == "observed":
            runs.inc(1, tags)
        spent = ledger.spent()
        usd.set(spent.usd, tags)
        device_s.set(spent.device_s, tags)

    return told


def tensorboard(folder: Path, ledger: Ledger) -> Listener:
    """The error of each run at its n, by arm, and the dollars spent by then, in the run folder's `tensorboard`."""
    # Not its SummaryWriter, whose thread still holds the last events when the driver ends.
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    (folder / TENSORBOARD).mkdir(exist_ok=True)
    writer = EventsWriter(str(folder / TENSORBOARD / "events"))
    runs = 0

    def told(event: str, fields: dict[str, Any]) -> None:
        nonlocal runs
        if event != "observed":
            return
        runs += 1
        for tag, value, step in (
            (f"error/{fields['arm']}", fields["error"], fields["n"]),
            ("spent/usd", ledger.spent().usd, runs),
        ):
            writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(tag, value)))
        writer.flush()

    return told
