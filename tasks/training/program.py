"""A trained model as one file that plain torch runs: its evaluation view, its normalisation and itself, as TorchScript.

TorchScript holds what was computed for one image of one size. So it is tried on real images before it counts.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.base import ArraySet, TaskError
from tasks.recipes.recipe import Recipe
from tasks.training import windows
from tasks.training.batches import Feed, normalised
from tasks.training.views import Views

# Images that the program and the model are compared on, and by how much their answers may differ.
_TRIED, _RELATIVE, _ABSOLUTE = 16, 1e-3, 1e-3

# What the program gives for one image.
ANSWERS = {
    "mulclass": "logits (1, classes); their sigmoids are the classes' probabilities",
    "sinclass": "logits (1, classes); their softmax is the classes' probabilities",
    "objdet": "objects (1, D, 6): class, score, x0, y0, x1, y1 in px of what the network sees",
    "insseg": "objects (1, D, 790): class, score, x0, y0, x1, y1 in px of what the network sees, a 28 x 28 mask in it",
    "semseg": "logits (1, classes, height, width)",
    "normal": "directions (1, 3, height, width), not yet of length 1",
    "depth": "logarithms of depths (1, 1, height, width)",
    "keypoint": "objects (1, D, 6 + 3 K): class, score, x0, y0, x1, y1, then x, y, 1 of each keypoint",
}


class Program(nn.Module):
    """From one stored square, uint8 (1, 3, side, side), to what the model's head says of it, as when it was tested."""

    def __init__(self, model: Any, recipe: Recipe, side: int) -> None:
        super().__init__()
        self.backbone, self.head = model.backbone, model.head
        self._view, self.size = _view(recipe, side), _size(recipe, side)
        self._is_whole = self._view.are_whole((side, side))

    def forward(self, square: Tensor) -> Tensor:
        """The head's answer."""
        images = square.permute(0, 2, 3, 1)
        if not self._is_whole:
            images = self._view.of_images(images, torch.zeros(1, dtype=torch.int64))
        found: Tensor = self.head(self.backbone(normalised(images)), self.size, None)
        return found.float()


def sees_squares(recipe: Recipe, side: int, fills_square: bool) -> bool:
    """Whether what is evaluated is a function of stored squares of `side` px alone, and not of what fills them."""
    return fills_square or not (recipe.stretch or recipe.eval_shorter_edge or recipe.window not in (0, side))


def write_program(model: Any, recipe: Recipe, tested: ArraySet, path: Path) -> int:
    """Write the model's program; returns on how many of these images it was seen to answer as the model did.

    Raises TaskError where it does not, or cannot be made.
    """
    model, feed = model.cpu().eval(), Feed(tested, torch.device("cpu"))
    squares = [torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] for image in tested.images[:_TRIED]]
    with warnings.catch_warnings(), torch.no_grad():
        # that values become constants: what it does with them is compared below
        warnings.simplefilter("ignore")
        try:
            program = Program(model, recipe, tested.images.shape[1]).eval()
            torch.jit.save(torch.jit.trace(program, squares[0], check_trace=False), path)
            read: Any = torch.jit.load(path)
        except RuntimeError as error:
            raise TaskError(f"the model cannot be written as a program ({str(error).splitlines()[0]})") from None
        for i, square in enumerate(squares):
            ours, theirs = model(feed.test(np.array([i]), recipe)[0]).float(), read(square)
            if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=_RELATIVE, atol=_ABSOLUTE):
                raise TaskError("the program gives other answers than the model, so it is not written")
    return len(squares)


def _view(recipe: Recipe, side: int) -> Views:
    return windows.under_test(recipe, (side, side), np.array([[side, side]], np.float64))


def _size(recipe: Recipe, side: int) -> tuple[int, int]:
    """Height and width in px of what the network sees."""
    height, width = windows.test_sizes(recipe, (side, side), np.array([[side, side]], np.float64))[0]
    return int(height), int(width)
