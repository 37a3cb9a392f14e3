"""Files given as a checkpoint that are none: one line, whatever they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from render_actors.labels import RenderedImage
from sweeper.commands.complexity import _activations
from sweeper.config.load import load_config
from sweeper.errors import BadInput
from sweeper.study.arms import Arm
from tests.render_actors.drawn import drawn_image

ARM = Arm("mine", "mulclass", "small_resnet", "sinclass")


@pytest.mark.parametrize(
    "content", [b"", b"hello, I am no checkpoint", b"PK\x03\x04 nor a whole archive", "list", None]
)
def test_what_is_no_checkpoint_is_told_in_one_line(tmp_path: Path, content: bytes | str | None) -> None:
    sweep, file = tmp_path / "sweep.yaml", tmp_path / "eyes.pt"
    sweep.write_text("name: seen\nrenderings: {mine: {}}\n")
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        torch.save([1, 2], file)
    images: list[RenderedImage] = [drawn_image(k) for k in range(2)]
    with pytest.raises(
        BadInput, match=r"^checkpoint .*eyes\.pt: cannot be read: .*; give a file of a backbone's tensors$"
    ):
        _activations(images, ARM, load_config(sweep), file)  # type: ignore[arg-type]
