"""Recipes of appendix A of the paper, STAGE-TASK-paper. docs/recipes.md says of every value where it is from.

The text of the appendix could not be read when these were written: what the paper's published results do not tell
stands at the convention of the method (He 2016, Detectron's 1x schedule, DeepLab's polynomial one), marked so there.
"""

from dataclasses import replace

from tasks.recipes.recipe import Recipe

# momentum SGD, weight decay, synchronised batch norm and mixed precision are the same for every task
_COMMON = Recipe(
    iterations=90_000,
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
_CLASSIFY = replace(_COMMON, augment=("flip", "crop"))
_DETECT = replace(_COMMON, batch_size=16, lr=0.02, warmup_images=16_000)
_SEGMENT = replace(_COMMON, iterations=40_000, batch_size=16, lr=0.01, schedule="poly", augment=("flip", "crop"))

RECIPES: dict[str, Recipe] = {
    # 112,500 steps and a look every 469 of them: the published table, at 120,000 images of batches of 256
    "pretrain-mulclass-paper": replace(_CLASSIFY, iterations=112_500, warmup_images=120_000, eval_every=469),
    # 120 looks, 40 and 20: the published table
    "pretrain-objdet-paper": replace(_DETECT, eval_every=750),
    "pretrain-insseg-paper": replace(_DETECT, eval_every=750),
    # the mirror image of an object's 3D box is another object's: no flips
    "pretrain-keypoint-paper": replace(_DETECT, eval_every=750, augment=()),
    "pretrain-semseg-paper": replace(_SEGMENT, auxiliary_rate=10.0, eval_every=1_000),
    "pretrain-normal-paper": replace(_SEGMENT, eval_every=2_000),
    "pretrain-depth-paper": replace(_SEGMENT, eval_every=2_000),
    # 90 epochs of ImageNet's 1,281,167 images in batches of 256, whatever part of them is drawn: the published table
    "finetune-sinclass-paper": replace(_CLASSIFY, iterations=450_411, warmup_images=1_281_167),
    "finetune-mulclass-paper": replace(_CLASSIFY, iterations=112_500, warmup_images=120_000),
    "finetune-objdet-paper": replace(_DETECT, scale_jitter=(0.8, 1.25)),
    "finetune-insseg-paper": replace(_DETECT, scale_jitter=(0.8, 1.25)),
    "finetune-keypoint-paper": replace(_DETECT, scale_jitter=(0.8, 1.25)),
    "finetune-semseg-paper": replace(_SEGMENT, auxiliary_rate=10.0, scale_jitter=(0.5, 2.0), augment=("flip",)),
    "finetune-normal-paper": replace(_SEGMENT, scale_jitter=(0.5, 2.0), augment=("flip",)),
    "finetune-depth-paper": replace(_SEGMENT, augment=("flip",)),
}
