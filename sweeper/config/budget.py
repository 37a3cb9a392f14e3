"""What may end a sweep: the `budget:`, `prices:`, `stop:` and `target:` sections of its file."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from sweeper.config.ladder import LARGEST_SIZE
from sweeper.config.strict_yaml import load_yaml
from sweeper.config.types import Count, Fraction, Model, Number, Positive
from sweeper.errors import BadInput, bad_input, one_line
from sweeper.storage.uris import expanded


class Budget(Model):
    """Hard caps; the sweep keeps within each that is given. `minutes` is wall-clock time over all restarts."""

    minutes: Positive | None = None
    device_hours: Positive | None = None
    usd: Positive | None = None

    def caps(self) -> dict[str, float]:
        """The caps that are given, by their keys."""
        return self.model_dump(exclude_none=True)


class Prices(Model):
    """Dollars for an hour of one CPU core and of one GPU, and how fast devices are before anything was measured.

    `gpus`: dollars an hour by type of GPU (the name Ray gives it), for all others `gpu_hour`. `speed`: training
    images/s at 64 px of one core ("cpu") or one GPU of a type, by backbone. `file`: a YAML file with any of these, such
    as configs/prices.yaml; what the sweep file says itself comes first.

    `label_usd`: dollars of one more photograph with its label, for `objective: exchange`. `render_usd`: of one more
    render; without it what this sweep's own renders cost.
    """

    cpu_core_hour: Annotated[Number, Field(ge=0)] = 0.05
    gpu_hour: Annotated[Number, Field(ge=0)] = 2.5
    gpus: dict[str, Annotated[Number, Field(ge=0)]] = {}
    speed: dict[str, dict[str, Positive]] = {}
    label_usd: Positive | None = None
    render_usd: Positive | None = None
    file: str | None = None


class Stop(Model):
    """The precision at which the sweep is content: posterior standard deviations of every arm.

    `prediction_sd` is for the objective `predict`; `best_within`, for `best`: errors that differ by no more are equal.
    `rate_factor`, for `exchange`: the upper limit of the rate's 95 % interval over its lower one, for every arm.
    """

    alpha_sd: Positive | None = None
    c_sd: Positive | None = None
    prediction_sd: Positive | None = None
    best_within: Annotated[Number, Field(ge=0)] | None = None
    rate_factor: Annotated[Number, Field(gt=1)] | None = None


class Target(Model):
    """What the user needs: an error (a fraction, not per cent), or a least gain for each doubling of n.

    `rounds`: with `objective: target`, how often images are bought, beyond the ladder's sizes, until the error is
    reached; 0: the sweep ends with the answer whether it can be.
    """

    error: Fraction | None = None
    min_gain: Fraction = 0.01
    n_limit: Count | None = None
    rounds: Annotated[int, Field(ge=0, le=20, strict=True)] = 0
    level: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95

    @property
    def largest(self) -> int:
        """The most images that may be bought."""
        return min(self.n_limit or LARGEST_SIZE, LARGEST_SIZE)


def take_prices(path: Path, raw: dict[str, Any]) -> None:
    """Put what the file of prices says under what the sweep file says itself."""
    own = raw.get("prices")
    if not isinstance(own, dict) or not isinstance(own.get("file"), str):
        return
    with bad_input(f"{path}: prices.file: "):
        place = expanded(own["file"])
    try:
        listed = load_yaml(Path(place).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = one_line(error)
        raise BadInput(f"{path}: prices.file: {own['file']} cannot be read ({said}); see configs/prices.yaml") from None
    if not isinstance(listed, dict):
        raise BadInput(f"{path}: prices.file: {own['file']} is no mapping of keys; see configs/prices.yaml")
    raw["prices"] = listed | {key: value for key, value in own.items() if key != "file"}
