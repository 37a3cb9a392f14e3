"""The `finetune:` section of a sweep file: the real task, and which photographs are learnt from and tested on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from render_actors.setting.source import Fit
from sweeper.config.types import Count, DeviceChoice, Model, Names, Number, Positive, Sha256
from sweeper.storage.uris import expanded


class Mix(Model):
    """Arms that learn from renders and photographs in one training, beside those that pre-train and then fine-tune.

    `share`: of each batch that are renders, with the pre-training task's labels and a head of their own. The training
    has the fine-tune's recipe, and as many steps as pre-training and fine-tune have together.
    """

    share: Annotated[Number, Field(gt=0, lt=1)] = 0.5


class Finetune(Model):
    """The real task. `fraction` of the training images, or `count`, gives s; all of them where neither is given.

    `counts`, in place of either: a ladder of s. A run then has an n, an s and a seed, and the sweep asks what renders
    are worth in labels (`objective: exchange`). The error is measured on the same photographs at every s.

    `subset`: all runs learn from one choice of s photographs, `shared`, or each run from an `independent` one, which
    its repeats share; recipe values are tuned on the shared one. `seeded`, as `counts` has it: each seed draws its own,
    which all arms and n of that seed share, those of a smaller s being the first of a larger one; the sweep's own seed
    draws the shared one.

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

    `mix`: adds to every arm one that is trained on renders and photographs together.

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
    counts: Annotated[tuple[Count, ...], Field(min_length=2)] | None = None
    subset: Literal["shared", "independent", "seeded"] = "shared"
    test: Literal["split", "rest"] = "split"
    pool: Count | None = None
    balanced: bool | None = None
    resolution: Annotated[int, Field(ge=16, le=2048, strict=True)] | None = None
    ignore_label: Annotated[int, Field(ge=0, le=255, strict=True)] | None = None
    fit: Fit | None = None
    test_fraction: Annotated[Number, Field(gt=0, lt=1)] | None = None
    recipe: dict[str, Any] = {}
    mix: Mix | None = None
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

    @model_validator(mode="before")
    @classmethod
    def _a_draw_a_seed(cls, raw: Any) -> Any:
        several = isinstance(raw, dict) and raw.get("counts") is not None
        return {"subset": "seeded"} | raw if several else raw

    @field_validator("counts")
    @classmethod
    def _increasing(cls, counts: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if counts is not None and list(counts) != sorted(set(counts)):
            raise ValueError("the numbers of photographs must increase")
        return counts

    @model_validator(mode="after")
    def _one_size(self) -> Finetune:
        if self.fraction is not None and self.count is not None:
            raise ValueError("give either fraction or count, not both")
        if self.counts is not None:
            one = "count" if self.count is not None else "fraction"
            if self.count is not None or self.fraction is not None:
                raise ValueError(f"{one} is one number of photographs and counts are several: give one of the two")
            if self.subset != "seeded":
                raise ValueError(
                    f"subset: {self.subset} is of one s; with counts each seed draws its own: leave it out"
                )
        if self.subset != "shared" and self.whole == 1.0:
            raise ValueError(
                f"subset: {self.subset} draws a part of the photographs: give count, counts or a fraction below 1"
            )
        if self.subset != "shared" and self.test == "rest" and self.pool in (None, self.most):
            raise ValueError(f"subset: {self.subset} draws s photographs of the pool: give a pool of more than s")
        if self.pool is not None and self.test != "rest":
            raise ValueError("pool: what is outside of it is tested on with test: rest; add that, or leave pool out")
        if self.pool is not None and self.most is not None and self.pool < self.most:
            raise ValueError(
                f"pool: {self.pool} are fewer than the {self.most} photographs of {self.size_key}; raise it"
            )
        return self

    @property
    def whole(self) -> float | None:
        """`fraction` as the data sets take it: all training images where no number of them is given."""
        return 1.0 if self.fraction is None and self.most is None else self.fraction

    @property
    def size_key(self) -> str:
        """The key that says how many photographs there are to learn from."""
        return next((key for key in ("counts", "count") if getattr(self, key) is not None), "fraction")

    @property
    def most(self) -> int | None:
        """The largest s, where numbers of photographs are given."""
        return self.counts[-1] if self.counts is not None else self.count
