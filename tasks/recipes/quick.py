"""Recipes for minutes on two cores, at 32 to 64 px: STAGE-TASK-quick runs the same code as STAGE-TASK-paper, small."""

from dataclasses import replace

from tasks.recipes.recipe import Recipe

_DENSE = Recipe(iterations=300, batch_size=32, lr=2e-3, warmup_images=960, augment=("flip", "crop"), eval_every=100)
# the heads of a detector are seven times as large as the small backbone
_REGIONS = Recipe(iterations=300, batch_size=8, lr=5e-4, warmup_images=240, augment=("flip",), eval_every=150)
_DENSE_REAL = replace(_DENSE, iterations=200, batch_size=16, warmup_images=320, eval_every=0)
_REGIONS_REAL = replace(_REGIONS, iterations=200, warmup_images=160, eval_every=0)

RECIPES: dict[str, Recipe] = {
    "pretrain-mulclass-quick": Recipe(
        iterations=450,
        batch_size=128,
        lr=3e-3,
        warmup_images=3200,
        augment=("flip", "crop"),
        eval_every=90,
        sync_batch_norm=False,
    ),
    # the class of the object aimed at: 128,000 views, of at most 16,000 images eight each or more
    "pretrain-sinclass-quick": Recipe(
        iterations=2000,
        batch_size=64,
        lr=3e-3,
        warmup_images=6400,
        augment=("flip", "crop", "colour", "grey"),
        smallest_crop=0.6,
        eval_every=400,
        sync_batch_norm=False,
    ),
    "finetune-sinclass-quick": Recipe(iterations=200, batch_size=32, lr=2e-3, warmup_images=640, augment=("flip",)),
    # photographs: 1,000 of the clothing set at 64 px
    "finetune-sinclass-photographs": Recipe(
        iterations=400, batch_size=32, lr=3e-3, warmup_images=1280, augment=("flip", "crop", "colour")
    ),
    # hundreds of photographs at 32 px; a backbone that was pre-trained takes twice the rate that one from scratch does
    "finetune-sinclass-small-photographs": Recipe(
        iterations=300,
        batch_size=32,
        lr=6e-3,
        warmup_images=960,
        augment=("flip", "crop", "colour"),
        smallest_crop=0.6,
    ),
    "pretrain-objdet-quick": _REGIONS,
    "pretrain-insseg-quick": _REGIONS,
    # the mirror image of an object's 3D box is another object's: no flips
    "pretrain-keypoint-quick": replace(_REGIONS, augment=()),
    "pretrain-semseg-quick": replace(_DENSE, auxiliary_rate=10.0, auxiliary_at_map=True, schedule="poly"),
    "pretrain-normal-quick": _DENSE,
    "pretrain-depth-quick": _DENSE,
    "finetune-mulclass-quick": Recipe(iterations=200, batch_size=32, lr=2e-3, warmup_images=640, augment=("flip",)),
    "finetune-objdet-quick": _REGIONS_REAL,
    "finetune-insseg-quick": _REGIONS_REAL,
    "finetune-keypoint-quick": _REGIONS_REAL,
    "finetune-semseg-quick": replace(
        _DENSE_REAL, auxiliary_rate=10.0, auxiliary_at_map=True, schedule="poly", scale_jitter=(0.5, 2.0)
    ),
    "finetune-normal-quick": _DENSE_REAL,
    "finetune-depth-quick": _DENSE_REAL,
}
