"""A model written as a program answers as the model does, for tasks whose answers are objects or maps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tasks.base import task
from tasks.data.drawn import shapes
from tasks.models.transfer import seeded_model
from tasks.recipes.recipe import Recipe
from tasks.training.program import write_program


@pytest.mark.parametrize("name", ["objdet", "semseg"])
def test_a_program_answers_as_its_model_does(tmp_path: Path, name: str) -> None:
    """Given a network of 32 px, its program read by plain torch says of every image what the model says."""
    learnt = task(name)
    data = shapes(4, 32, seed=0, kind=learnt.label_kind)
    model = seeded_model("small_resnet", learnt, len(data.class_names), 0).eval()

    seen = write_program(model, Recipe(iterations=1, batch_size=2, lr=1e-3), data, tmp_path / "model.pt")

    assert seen == 4
    program = torch.jit.load(tmp_path / "model.pt")
    square = torch.from_numpy(data.images[3]).permute(2, 0, 1)[None]
    with torch.no_grad():
        torch.testing.assert_close(program(square), model(square / 127.5 - 1).float(), rtol=1e-3, atol=1e-3)
