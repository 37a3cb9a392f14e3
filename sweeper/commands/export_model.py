"""`sweeper export-model`: the best fine-tuned model of an arm, made again and written for plain torch.

Three files: the weights (safetensors), a program that needs none of this project (TorchScript), and what using it takes
(JSON).

Fine-tuned weights are not kept: a sweep makes hundreds. A fine-tune is a function of its checkpoint, its photographs
and its seed, so the best one is done again, and must give the error that was recorded of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeper.commands.report import Record, read_record
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput, bad_input, one_line
from sweeper.stages.finetune import Finetuning, Tested, finetuning_of, tested_model
from sweeper.stages.identity import Trial
from sweeper.stages.inventory import Inventory
from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.uris import redacted
from sweeper.study.results import Observation
from tasks.base import TaskError
from tasks.data.catalogue import default_fit
from tasks.data.readers.images import GREY
from tasks.data.readers.squares import Fit

# Errors are shares of the test images: these agree in every image.
_SAME = 1e-9


def export_model(folder: Path, arm: str | None, out: Path | None, *, accept: bool = False) -> list[str]:
    """Write the model's three files; returns lines on what it is. BadInput where it cannot be made again.

    `arm`: its name; None where the sweep has one. `out`: the weights' file, model.safetensors in the run folder by
    default; program and description stand beside it.
    `accept`: whether to write it too where it gives another error than was recorded.
    """
    record = read_record(folder)
    if record.config.is_simulated:
        raise BadInput(f"{folder}: its errors are simulated, so there is no model; run a sweep that trains")
    best, others = _best(record, arm)
    path = out or folder / "model.safetensors"
    _check_place(path)
    store = ArtifactStore(record.config.store)
    job = finetuning_of(record.config, store)
    tested = _again(job, _trial(record, best, store))
    error = 1.0 - float(tested.scored.metric)
    if abs(error - best.error) > _SAME and not accept:
        raise BadInput(
            f"{best.arm}: made again it has an error of {error:.4g}, and {best.error:.4g} was recorded, with"
            f" {best.versions}; use those versions on such a machine, or write it all the same with --accept"
        )
    written = _write(path, tested, _described(record, best, tested, error))
    mean = sum(row.error for row in others) / len(others)
    kept = "as was recorded" if abs(error - best.error) <= _SAME else f"where {best.error:.4g} was recorded"
    return [
        f"{best.arm}: n = {best.n:,}, seed {best.seed}, repeat {best.repeat}: error {error:.4g} on"
        f" {tested.scored.size:,} test images, {kept}",
        f"the best of {len(others)} fine-tunes, by these very images: expect about their mean at this n, {mean:.4g}",
        *written,
    ]


def _check_place(path: Path) -> None:
    """BadInput, before minutes of training, where the three files would not have three names."""
    if path.suffix != ".safetensors":
        raise BadInput(f"--out {path}: weights are written as safetensors; give a name that ends in .safetensors")


def _best(record: Record, arm: str | None) -> tuple[Observation, list[Observation]]:
    """The fine-tune of the lowest error, and all of the arm at its n."""
    names = [each.name for each in record.plan.arms]
    if arm is None and len(names) > 1:
        raise BadInput(f"--arm is missing; this sweep has {', '.join(names)}")
    wanted = names[0] if arm is None else arm
    references = [each.name for each in record.plan.references]
    if wanted not in (*names, *references):
        raise BadInput(f"--arm {wanted}: is no arm of this sweep; it has {', '.join((*names, *references))}")
    rows = [row for row in record.observations if row.arm == wanted and row.split == "test"]
    if not rows:
        raise BadInput(f"{wanted}: no fine-tune of it is finished; run the sweep first")
    best = min(rows, key=lambda row: (row.error, -row.n, row.seed, row.repeat))
    return best, [row for row in rows if (row.n, row.s) == (best.n, best.s)]


def _trial(record: Record, row: Observation, store: ArtifactStore) -> Trial:
    inventory = Inventory(record.config, store)
    pretrained = inventory.needs_checkpoint(row.run)
    checkpoint = inventory.checkpoint(row.run) if pretrained else None
    if checkpoint is None and pretrained:
        raise BadInput(
            f"{row.arm}: its checkpoint of n = {row.n:,} is not in {redacted(store.uri)}; run the sweep again"
        )
    return Trial(row.run, row.repeat, json.loads(row.tuned), "test", checkpoint)


def _again(job: Finetuning, trial: Trial) -> Tested:
    try:
        with bad_input(f"{trial.run.arm}: "):
            return tested_model(job, trial)
    except (OSError, RuntimeError) as error:
        raise BadInput(f"{trial.run.arm}: cannot be made again: {one_line(error)}") from None


def _described(record: Record, row: Observation, tested: Tested, error: float) -> dict[str, Any]:
    """What using the model takes, and where it comes from."""
    from tasks.training.program import ANSWERS

    config = record.config
    return {
        "task": row.finetune_task,
        "backbone": row.backbone,
        "classes": list(tested.class_names),
        "keypoints": list(tested.keypoint_names),
        "side": config.finetune_resolution,
        "seen": tested.recipe.side_of(config.finetune_resolution),
        "fit": _fit(config),
        "grey": GREY[0],
        "pixels": "RGB, uint8 / 127.5 - 1; the program does this itself",
        "answer": ANSWERS[row.finetune_task],
        "error": error,
        "recorded_error": row.error,
        "arm": row.arm,
        "n": row.n,
        "s": row.s,
        "seed": row.seed,
        "repeat": row.repeat,
        "tuned": json.loads(row.tuned),
        "checkpoint": row.checkpoint,
        "sweep": config.name,
    }


def _fit(config: SweepConfig) -> Fit:
    """How images become squares; Fashion-MNIST's are squares."""
    name = config.finetune.dataset
    return "stretch" if name == "fashion-mnist" else config.finetune_fit or default_fit(name)


def _write(path: Path, tested: Tested, described: dict[str, Any]) -> list[str]:
    """The three files, each whole or not at all; lines on them."""
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in tested.model.state_dict().items()}
    program, description = path.with_suffix(".pt"), path.with_suffix(".json")
    lines = [f"{path} is written, the weights by name"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _whole(path) as part:
            save_file(tensors, part, metadata={"format": "pt", "model": json.dumps(described)})
        lines.append(_write_program(program, tested, described))
        with _whole(description) as part:
            part.write_text(json.dumps(described, indent=1) + "\n")
    except OSError as error:
        raise BadInput(f"--out {path}: cannot be written ({error.strerror}); give another place") from None
    return [*lines, f"{description} is written: classes, preprocessing, where it comes from"]


def _write_program(path: Path, tested: Tested, described: dict[str, Any]) -> str:
    """A line on the program, or on why there is none."""
    from tasks.training.program import sees_squares, write_program

    path.unlink(missing_ok=True)
    if not sees_squares(tested.recipe, described["side"], described["fit"] != "letterbox"):
        return f"no {path.name}: this recipe evaluates letterboxed photographs at sizes of their own; use the weights"
    try:
        with _whole(path) as part:
            images = write_program(tested.model, tested.recipe, tested.images, part)
    except TaskError as error:
        return f"no {path.name}: {error}; use the weights"
    return f"{path} is written, a program for plain torch: it answered as the model on {images} test images"


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file beside `path` to write, which takes its place at the end."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
