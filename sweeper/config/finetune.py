"""The `finetune:` section of a sweep file: the real task, and which photographs are learnt from and tested on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from render_actors.setting.source import Fit
from sweeper.config.types import Count, DeviceChoice, Model, Names, Number, Positive, Sha256
from sweeper.storage.uris import expanded


class Finetune(Model):
    """The real task. `fraction` of the training images, or `count`, gives s; all of them where neither is given.

    `subset`: all runs learn from one choice of s photographs, `shared`, or each run from an `independent` one, which
    its repeats share; recipe values are tuned on the shared one.

    `test`: the error is that on the set's own test `split`, or on the `rest`: all photographs of the set, whatever its
    split, but those of the pool that s is drawn from. The pool is the same draw at every s up to it, so that sweeps at
    several s with one `pool` are tested on the same photographs. `pool`: how many there are in it; s by default.

    `balanced`: whether the classes have equal parts in s; by default where each image has one class. `resolution`: of
    the real images; render.resolution where it is left out. `ignore_label`: the class number of a masks:PATH data set
    that does not count. `fit`: how images become squares (docs/reference/datasets.md); without it class folders are
    cropped, all others letterboxed. `test_fraction`: how much of a set without test photographs is kept for testing,
    chosen by what the photographs are and the sweep's seed; a fifth of a set without any split where it is left out.

    `classes`: how many the real task tells apart where its error is the share of images told wrong, filled in by `run`:
    what guessing gets wrong.

    `device`: cpu, gpu, or auto, a GPU where this machine has one; `gpus` says how much of one a fine-tune takes, 1
    where it is left out. Without `device`, `gpus` above 0 asks for a GPU.

    `init`: a file of weights that fine-tunes without pre-training (n = 0) begin with, as `pretrain.init`; without it
    they begin with random ones. `init_sha256` is filled in by `run`.

    `dataset_sha256`, the hash of the real images, is filled in by `run`: of all files' names and sizes, of labels, and
    of the pixels of the shared draw and of the test images. Where the file gives it, the images must match. A fine-tune
    that runs for `timeout_s` seconds is ended; `max_failures` tries are repeated, those that lost a node left out.
    """

    tasks: Names = ("sinclass",)
    dataset: str = "fashion-mnist"
    dataset_sha256: Sha256 | None = None
    classes: Annotated[int, Field(ge=2, strict=True)] | None = None
    fraction: Annotated[Number, Field(gt=0, le=1)] | None = None
    count: Count | None = None
    subset: Literal["shared", "independent"] = "shared"
    test: Literal["split", "rest"] = "split"
    pool: Count | None = None
    balanced: bool | None = None
    resolution: Annotated[int, Field(ge=16, le=2048, strict=True)] | None = None
    ignore_label: Annotated[int, Field(ge=0, le=255, strict=True)] | None = None
    fit: Fit | None = None
    test_fraction: Annotated[Number, Field(gt=0, lt=1)] | None = None
    recipe: dict[str, Any] = {}
    init: str | None = None
    init_sha256: Sha256 | None = None
    repeats: Annotated[Count, Field(le=1000)] = 3
    device: DeviceChoice | None = None
    cpus: Positive = 1.0
    gpus: Annotated[Number, Field(ge=0)] = 0.0
    max_failures: Annotated[int, Field(ge=0, strict=True)] = 2
    timeout_s: Positive = 14400.0

    @field_validator("init")
    @classmethod
    def _located(cls, init: str | None) -> str | None:
        return None if init is None else expanded(init)

    @field_validator("dataset")
    @classmethod
    def _expanded(cls, dataset: str) -> str:
        kind, colon, path = dataset.partition(":")
        return f"{kind}{colon}{expanded(path)}"

    @model_validator(mode="after")
    def _one_size(self) -> Finetune:
        if self.fraction is not None and self.count is not None:
            raise ValueError("give either fraction or count, not both")
        if self.subset == "independent" and self.whole == 1.0:
            raise ValueError("subset: independent draws a part of the photographs: give count, or fraction below 1")
        if self.subset == "independent" and self.test == "rest" and self.pool in (None, self.count):
            raise ValueError("subset: independent draws s photographs of the pool: give a pool of more than s")
        if self.pool is not None and self.test != "rest":
            raise ValueError("pool: what is outside of it is tested on with test: rest; add that, or leave pool out")
        if self.pool is not None and self.count is not None and self.pool < self.count:
            raise ValueError(f"pool: {self.pool} are fewer than the {self.count} photographs of count; raise it")
        return self

    @property
    def whole(self) -> float | None:
        """`fraction` as the data sets take it: all training images where neither fraction nor count is given."""
        return 1.0 if self.fraction is None and self.count is None else self.fraction
