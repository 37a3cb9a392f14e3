"""A sweep file: frozen models of every key, read from YAML with `key=value` overrides, refused in one line.

Unknown keys, wrong types and impossible values raise `BadInput`, naming the file, the key and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from analysis.policy.goals import Objective
from analysis.policy.registry import OURS
from render_actors.setting.source import Fit
from sweeper.config.budget import Budget, Prices, Stop, Target
from sweeper.config.factors import FactorDesign, with_settings
from sweeper.config.finetune import Finetune
from sweeper.config.ladder import Ladder, Policy
from sweeper.config.render import Render, Rendering
from sweeper.config.simulated import SimulatedArm, check_laws
from sweeper.config.tune import Tune
from sweeper.config.types import Count, DeviceChoice, Model, Name, Names, Number, Positive, Sha256
from sweeper.storage.uris import checked_uri, expanded, is_uri, local_copy
from tasks.base import weights_of

SIMULATED = "simulated"
EXCHANGE = "exchange"

# Rendering and pre-training task of the reference, n = 0.
NO_PRETRAINING = "none"


class Pretrain(Model):
    """The pre-training tasks and backbones under study, and the recipe they share.

    `validation_images` synthetic images, rendered under another seed, choose the best checkpoint. Workers that make no
    step for `stall_s` seconds are ended; `max_failures` tries are repeated, those that lost a node left out.

    `device`: cpu, gpu, or auto, a GPU where this machine has one; without it `gpu` says. `gpus_per_worker`: below 1,
    one worker shares its GPU with others.

    `init`: a file of weights that every backbone begins with, in place of random ones: a torchvision or timm ResNet's
    state dict, or a backbone of this project, in safetensors or torch's format. `init_sha256` is filled in by `run`.

    `weights`: files of weights by a name. The backbone NETWORK@NAME begins with them, in pre-training and without it
    (n = 0), and NETWORK with random ones: two arms of one sweep. `weights_sha256` is filled in by `run`.

    Where the cluster cannot hold `workers` of them, training begins or goes on with any number from `min_workers` up.
    The global batch stays the same, and so does the model; recipe.sync_batch_norm is needed for it.

    `subset`: a run of size n reads the `first` n images, which larger runs and other seeds read too, or n images of an
    `independent` draw, rendered for this n and seed and shared by the arms of the rendering alone.
    """

    tasks: Names = ("mulclass",)
    backbones: Names = ("small_resnet",)
    recipe: dict[str, Any] = {}
    init: str | None = None
    init_sha256: Sha256 | None = None
    weights: dict[Name, str] = {}
    weights_sha256: dict[Name, Sha256] = {}
    workers: Count = 2
    min_workers: Count | None = None
    cpus_per_worker: Positive = 1.0
    device: DeviceChoice | None = None
    gpu: bool = False
    gpus_per_worker: Annotated[Number, Field(gt=0, le=1)] = 1.0
    subset: Literal["first", "independent"] = "first"
    validation_images: Count = 200
    checkpoint_every: Count = 200
    max_failures: Annotated[int, Field(ge=0, strict=True)] = 3
    stall_s: Positive = 1800.0

    @field_validator("init")
    @classmethod
    def _expanded(cls, init: str | None) -> str | None:
        return None if init is None else expanded(init)

    @field_validator("weights")
    @classmethod
    def _all_expanded(cls, weights: dict[str, str]) -> dict[str, str]:
        return {name: expanded(file) for name, file in weights.items()}

    @model_validator(mode="after")
    def _weights_are_named(self) -> Pretrain:
        named = {name for backbone in self.backbones if (name := weights_of(backbone))}
        if unknown := sorted(named - self.weights.keys()):
            raise ValueError(
                f"backbones: @{unknown[0]} names weights that are not given; add weights: {{{unknown[0]}: FILE}}"
            )
        if unused := sorted(self.weights.keys() - named):
            raise ValueError(f"weights: {unused[0]} is of no backbone; add NETWORK@{unused[0]} to backbones")
        if self.init is not None and named:
            raise ValueError("init is for every backbone, and NETWORK@NAME has weights of its own; leave one out")
        return self

    @model_validator(mode="after")
    def _fewer(self) -> Pretrain:
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ValueError(f"min_workers: {self.min_workers} are more than the {self.workers} workers; lower it")
        if self.gpus_per_worker < 1 and self.workers > 1:
            raise ValueError(
                "gpus_per_worker: workers that train together cannot share a GPU: set workers: 1, or leave it"
            )
        return self

    def start_of(self, backbone: str) -> str | None:
        """The file of weights that this backbone begins with; None where they are drawn."""
        name = weights_of(backbone)
        return self.init if name is None else self.weights[name]

    @property
    def gpus(self) -> float:
        """GPUs that a worker holds."""
        return self.gpus_per_worker if self.gpu else 0.0

    @property
    def in_ray_train(self) -> bool:
        """Whether Ray Train starts the workers: one on CPU cores needs nobody to hold it together."""
        return self.workers > 1 or self.gpu


class Controls(Model):
    """Runs beside the arms, outside their fits, that tell features from luck.

    `shuffled_labels`: a size n at which each arm is also pre-trained on images whose labels were dealt out anew,
    `seeds` times. What pre-training still gains there owes nothing to what the labels say.
    """

    shuffled_labels: Count | None = None
    seeds: Count = 1


class Cluster(Model):
    """`wait_s`: seconds after which a stage that no node of a cluster can run ends the sweep with a line saying so."""

    wait_s: Positive = 600.0


class SweepConfig(Model):
    """A whole sweep file.

    `output`, the run folder, and `store`, the artifacts, are paths or URIs (s3://, gs://); `cache_gb` bounds what each
    node keeps of a remote store, and as much again of rendered images decoded for training, of which the largest size
    must fit in. `log_to`: "tensorboard" also writes each run's error and the spend as TensorBoard's files into the run
    folder, "mlflow" to MLFLOW_TRACKING_URI or there, "wandb" to the account of WANDB_API_KEY or there.
    `fit`: how photographs and images of labelled folders become squares, letterbox, crop or stretch
    (docs/reference/datasets.md); finetune.fit and a source's own fit go before it.
    `objective`: what the adaptive policy pays to learn: "verdict" (what to do about every arm: it ends with the
    question that it was started for), "law" (alpha and C of every arm, as precisely as `stop` says), "predict" (the
    error at `n_target`), "target" (whether target.error is reached), "best" (which arm has the lowest error at
    `n_target`) or "exchange" (what renders are worth in labels: with finetune.counts, and only then).
    """

    name: Name
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)] = 0
    objective: Literal[Objective, "exchange"] = "verdict"
    n_target: Count | None = None
    output: str | None = None
    store: str = "runs/artifacts"
    cache_gb: Positive = 50.0
    log_to: Literal["tensorboard", "mlflow", "wandb"] | None = None
    data_root: str | None = None
    fit: Fit | None = None
    renderings: Annotated[dict[Name, Rendering], Field(min_length=1)]
    factors: FactorDesign | None = None
    render: Render = Render()
    pretrain: Pretrain = Pretrain()
    finetune: Finetune = Finetune()
    tune: Tune = Tune()
    controls: Controls = Controls()
    ladder: Ladder = Ladder()
    policy: Policy = Policy()
    stop: Stop = Stop()
    target: Target = Target()
    budget: Budget = Budget()
    prices: Prices = Prices()
    cluster: Cluster = Cluster()
    simulated: dict[str, SimulatedArm] = {}

    @field_validator("output", "store")
    @classmethod
    def _place(cls, place: str | None) -> str | None:
        return None if place is None else checked_uri(place)

    @field_validator("data_root")
    @classmethod
    def _folder(cls, folder: str | None) -> str | None:
        return None if folder is None else expanded(folder)

    @model_validator(mode="before")
    @classmethod
    def _settings_of_factors(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        renderings, factors = with_settings(raw.get("renderings"), raw.get("factors"), [*Rendering.model_fields])
        said = {"factors": factors} if factors is not None else {}
        return raw | said | ({"renderings": renderings} if renderings is not None else {})

    @model_validator(mode="after")
    def _adaptive(self) -> SweepConfig:
        keys = {tuple(sorted(each.factors or ())) for each in self.renderings.values()}
        if len(keys) > 1:
            raise ValueError("renderings: factors of its own must have the same names in every setting")
        if not self.is_adaptive:
            return self
        if self.policy.name != OURS:
            raise ValueError(f"policy.name: {self.policy.name} chooses sizes; with design: adaptive leave it out")
        if self.objective != "best" or self.n_target not in self.ladder.choices():
            raise ValueError(
                "renderings.design: adaptive looks for the best setting at n_target: set objective: best, and n_target"
                " to a size of the ladder"
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> SweepConfig:
        if NO_PRETRAINING in self.renderings:
            raise ValueError(f"renderings: {NO_PRETRAINING!r} is the name of the reference; choose another")
        simulated_tasks = SIMULATED in self.pretrain.tasks
        if simulated_tasks:
            check_laws(self.simulated, self.renderings, is_design=self.factors is not None)
        if self.simulated and not simulated_tasks:
            raise ValueError("laws under `simulated` need pretrain.tasks: [simulated]")
        if self.objective in ("predict", "best") and self.n_target is None:
            raise ValueError(f"objective: {self.objective} asks for the error at n_target images: add n_target")
        self._both_sizes()
        self._mixed()
        if self.finetune.init is not None and any(map(weights_of, self.pretrain.backbones)):
            raise ValueError(
                "finetune.init is for every backbone, and NETWORK@NAME has weights of its own; leave one out"
            )
        for key, value in self.stop:
            wants = {"prediction_sd": "predict", "best_within": "best", "rate_factor": EXCHANGE}.get(key, "law")
            if value is not None and self.objective != wants:
                raise ValueError(f"stop.{key} is of objective: {wants}, and the objective is {self.objective}; name it")
        if self.objective == "target" and self.target.error is None:
            raise ValueError("objective: target asks whether target.error is reached: add target.error")
        if self.target.rounds and self.objective != "target":
            raise ValueError(f"target.rounds is of objective: target, and the objective is {self.objective}; name it")
        if self.target.rounds and self.policy.name == "grid":
            raise ValueError("target.rounds: a fixed grid buys nothing; choose another policy, or leave it out")
        folders = [name for name, each in self.renderings.items() if each.source and each.source.kind != "function"]
        if folders and self.pretrain.subset == "independent":
            raise ValueError(f"pretrain.subset: independent needs renders; {folders[0]} is a folder: leave subset out")
        sizes = self.ladder.values()
        if len(sizes) < 3:
            raise ValueError(f"the ladder has {len(sizes)} sizes; the law needs three at least: add sizes")
        for key, n in (("tune.n", self.tune.n), ("controls.shuffled_labels", self.controls.shuffled_labels)):
            if n not in (None, *sizes):
                raise ValueError(f"{key}: {n} is no size of the ladder; choose one of {sizes}")
        return self

    def _both_sizes(self) -> None:
        """ValueError where what is said of several s does not go together."""
        several = self.finetune.counts is not None
        if several != (self.objective == EXCHANGE):
            raise ValueError(
                f"finetune.counts and objective: {EXCHANGE} go together: what renders are worth in labels takes several"
                " s; give both, or one s and another objective"
            )
        if not several:
            return
        if self.policy.name not in (OURS, "grid"):
            raise ValueError(f"policy.name: {self.policy.name} chooses n alone; with finetune.counts {OURS} or grid")
        if self.policy.name == OURS and self.stop.rate_factor is None and self.prices.label_usd is None:
            raise ValueError(f"objective: {EXCHANGE} has no end: add stop.rate_factor, or prices.label_usd, or both")
        if self.n_target not in (None, *self.ladder.choices()):
            raise ValueError(
                f"n_target: {self.n_target} is no size of the ladder; choose one of {self.ladder.choices()}"
            )
        if any(law.beta is None or law.at_s is None for law in self.simulated.values()):
            raise ValueError(
                "simulated: with finetune.counts each law needs beta and at_s, how errors fall with labels"
            )

    def _mixed(self) -> None:
        """ValueError where what is said does not go with training on renders and photographs together."""
        if self.finetune.mix is None:
            return
        against = {
            "simulated errors know no training": self.is_simulated,
            "renderings.design: adaptive compares renderings alone": self.is_adaptive,
            "init is for one of two trainings, and a mixed training begins with random weights": self.pretrain.init
            or self.finetune.init,
            "tune.iterations are chosen for fine-tunes alone; give finetune.recipe.iterations": self.tune.iterations,
        }
        if said := [why for why, is_so in against.items() if is_so]:
            raise ValueError(f"finetune.mix: {said[0]}; leave one out")

    @property
    def is_adaptive(self) -> bool:
        """Whether renderings are chosen one by one among the combinations of factors."""
        return self.factors is not None and self.factors.design == "adaptive"

    @property
    def is_simulated(self) -> bool:
        """Whether errors are drawn from known laws instead of being measured."""
        return bool(self.simulated)

    @property
    def finetunes_per_trial(self) -> int:
        """Fine-tunes that one trial of the tuning takes: one a fold, and one draw where they are simulated."""
        return 1 if self.is_simulated else self.tune.folds

    @property
    def finetune_resolution(self) -> int:
        """Side of the real images in px."""
        return self.finetune.resolution or self.render.resolution

    @property
    def finetune_fit(self) -> Fit | None:
        """How real images become squares; None: as it is usual for their layout."""
        return self.finetune.fit or self.fit

    @property
    def run_folder(self) -> Path:
        """Where results, ledger, decisions and report go; where `output` is on storage, the working copy."""
        return local_copy(self.place) if is_uri(self.place) else Path(self.place)

    @property
    def place(self) -> str:
        """The path or URI of the run folder."""
        return self.output or f"runs/{self.name}"

    def to_yaml(self) -> str:
        """The resolved config, readable by `load_config`."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False)
