"""The columns that `sweeper fit` knows of a table, for those who read it and for the command's help."""

import re

COLUMNS = {
    "n": "synthetic images that a run was pre-trained on; 0: no pre-training, compared with and not fitted",
    "error": "the run's error, in (0, 1]; with --percent in per cent; with --score a score (`score` is taken too)",
    "arm": "the run's curve; else what there is of rendering, pretrain_task, backbone, finetune_task and dataset",
    "s": "real images it was fine-tuned on; each is an arm; several give the worth of renders in labels",
    "seed": "tells runs of one size apart",
    "repeat": "tells fine-tunes of one pre-training apart; their mean is the run",
    "split": "rows of `test` are fitted, all others left out",
    "test_size": "how many test images the error was counted on",
    "trajectory": "the training that a point is of, where one training gives points at several n",
    "block": "what runs have in common, such as a seed or a choice of photographs",
}
# What tables call a column too, where they have none of its own name.
OTHER_NAMES = {"shots": "s", "trial": "seed", "accuracy": "score", "acc": "score"}
ARM_COLUMNS = ("rendering", "pretrain_task", "backbone", "finetune_task", "dataset")

HELP = (
    "Fit recorded observations: the law of every arm and its verdict.\n\n"
    "TABLE is CSV (commas, semicolons or tabs) or Parquet, a row a run. It needs n and error. Capitals and spaces in"
    " the names of columns do not matter. Columns it knows:\n\n\b\n"
    + "\n".join(f"{name}: {what}" for name, what in COLUMNS.items())
    + "\n\nA table without s, seed or score may call them shots, trial and accuracy."
    + "\n\nColumns that are not used and rows that are left out are named on stderr, with counts."
)


def column_name(header: str) -> str:
    """How a column is called, whatever its capitals and spaces: "Test size" is test_size."""
    return re.sub(r"[\s_-]+", "_", header.strip()).casefold()
