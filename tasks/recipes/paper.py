"""Recipes of appendix A of the paper, STAGE-TASK-paper; docs/reference/recipes.md sets each value beside its line.

`insseg`, `keypoint` and `depth` are not in the paper: they are derived from `objdet` and `normal`. So are the lengths
of the fine-tunings that it does not have.
"""

from dataclasses import replace

from tasks.recipes.recipe import Recipe

_COMMON = Recipe(
    iterations=112_500,
    batch_size=256,
    lr=0.1,
    optimizer="sgd",
    momentum=0.9,
    weight_decay=1e-4,
    augment=("flip",),
    precision="bf16",
    sync_batch_norm=True,
    schedule="cosine",
)
_WARM_UP = 120_000

_MULCLASS = replace(_COMMON, warmup_images=_WARM_UP, window=640, stretch=True, zero_init_last_norm=True)
# Goyal et al. 2017; 90 epochs of ImageNet's 1,281,167 images in batches of 256, whatever part of them is drawn
_SINCLASS = replace(
    _COMMON,
    iterations=450_411,
    augment=("flip", "resized_crop"),
    window=224,
    eval_shorter_edge=256,
    eval_window=224,
    nesterov=True,
    decay_norms=False,
    zero_init_last_norm=True,
)
_OBJDET = replace(
    _COMMON,
    iterations=225_000,
    batch_size=64,
    lr=0.02,
    warmup_images=_WARM_UP,
    precision="fp16",
    window=640,
    stretch=True,
    zero_init_last_norm=True,
)
_SEMSEG = replace(
    _COMMON,
    iterations=125_000,
    batch_size=32,
    lr=0.02,
    schedule="poly",
    auxiliary_rate=10.0,
    window=480,
    shorter_edge=(260, 1040),
    eval_shorter_edge=520,
)
_NORMAL = replace(_SEMSEG, iterations=200_000, lr=0.04, augment=())

# a look every 120,000 images, or 3,125 steps of the dense tasks
_OBJDET_LOOKED_AT, _DENSE_LOOK = replace(_OBJDET, eval_every=1_875), 3_125
_OBJDET_REAL, _DENSE_REAL = replace(_OBJDET, iterations=22_500), 18_750

RECIPES: dict[str, Recipe] = {
    "pretrain-mulclass-paper": replace(_MULCLASS, eval_every=469),
    "pretrain-objdet-paper": _OBJDET_LOOKED_AT,
    "pretrain-insseg-paper": _OBJDET_LOOKED_AT,
    # the mirror image of an object's 3D box is another object's: no flips
    "pretrain-keypoint-paper": replace(_OBJDET_LOOKED_AT, augment=()),
    "pretrain-semseg-paper": replace(_SEMSEG, eval_every=_DENSE_LOOK),
    "pretrain-normal-paper": replace(_NORMAL, eval_every=_DENSE_LOOK),
    "pretrain-depth-paper": replace(_NORMAL, eval_every=_DENSE_LOOK),
    "finetune-sinclass-paper": _SINCLASS,
    "finetune-mulclass-paper": _MULCLASS,
    "finetune-objdet-paper": _OBJDET_REAL,
    "finetune-insseg-paper": _OBJDET_REAL,
    "finetune-keypoint-paper": _OBJDET_REAL,
    "finetune-semseg-paper": replace(_SEMSEG, iterations=_DENSE_REAL),
    "finetune-normal-paper": replace(_NORMAL, iterations=_DENSE_REAL),
    "finetune-depth-paper": replace(_NORMAL, iterations=_DENSE_REAL),
}


def _half_the_batch(whole: Recipe) -> Recipe:
    """As many images and looks in twice the steps."""
    iterations, eval_every = 2 * whole.iterations, 2 * whole.eval_every
    return replace(whole, batch_size=whole.batch_size // 2, iterations=iterations, eval_every=eval_every)


# what differs on one backbone: (name of a recipe, backbone) -> the recipe
OF_BACKBONE: dict[tuple[str, str], Recipe] = {
    (name, "resnet152"): _half_the_batch(RECIPES[name])
    for stage in ("pretrain", "finetune")
    for name in (f"{stage}-objdet-paper", f"{stage}-insseg-paper", f"{stage}-keypoint-paper")
}
