"""Which windows are seen: those of torchvision's transforms, of the photograph in its square, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from torchvision import transforms

from tasks.base import ArraySet, task
from tasks.data.readers.squares import photograph, placement
from tasks.recipes.recipe import Recipe
from tasks.recipes.registry import recipe
from tasks.training import windows
from tasks.training.batches import Feed, Order
from tasks.training.evaluation import evaluate

CPU = torch.device("cpu")
PLAIN = Recipe(iterations=1, batch_size=1, lr=1.0)
RESIZED_CROP = Recipe(iterations=1, batch_size=1, lr=1.0, augment=("resized_crop",), window=32)
SHORTER_EDGE = Recipe(
    iterations=1, batch_size=1, lr=1.0, window=48, shorter_edge=(26, 104), eval_shorter_edge=52, augment=("flip",)
)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth enough that a tenth of a pixel shows, and no more regular than a photograph."""
    rough = np.random.default_rng(seed).integers(256, size=(height // 4, width // 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))


def squares(*photographs: np.ndarray, side: int) -> ArraySet:
    """Photographs that are no larger than their squares, with what of each square is photograph."""
    images = np.full((len(photographs), side, side, 3), 128, np.uint8)
    for square, shown in zip(images, photographs, strict=True):
        square[: shown.shape[0], : shown.shape[1]] = shown
    content = np.array([[shown.shape[1], shown.shape[0]] for shown in photographs], np.float32)
    return ArraySet(images, np.arange(len(images)) % 2, ("a", "b"), content=content)


def as_pixels(images: torch.Tensor) -> np.ndarray:
    return (images.permute(0, 2, 3, 1).numpy() + 1) * 127.5


@pytest.mark.parametrize(("height", "width"), [(60, 80), (80, 60), (80, 30), (20, 80)])
def test_resized_crops_have_the_areas_and_shapes_of_torchvisions(height: int, width: int) -> None:
    size, count = np.array([height, width], float), 4000
    views = windows.drawn(np.random.default_rng(0), RESIZED_CROP, (80, 80), np.tile(size, (count, 1)))
    tall, wide = (views.extent * 80).T

    torch.manual_seed(0)
    # twelve times as large, because torchvision rounds to whole pixels; what does not fit in ten tries has one size
    blank = torch.zeros(1, 12 * height, 12 * width)
    draw = transforms.RandomResizedCrop.get_params
    theirs = np.array([draw(blank, scale=[0.08, 1.0], ratio=[3 / 4, 4 / 3]) for _ in range(count)]) / 12

    areas, shapes = (tall * wide, theirs[:, 2] * theirs[:, 3]), (wide / tall, theirs[:, 3] / theirs[:, 2])
    assert ks_2samp(*(np.round(each, -1) for each in areas)).statistic < 0.05
    assert ks_2samp(*(np.round(each, 2) for each in shapes)).statistic < 0.05
    # anywhere in the photograph alike, and in the middle where ten tries did not fit
    for axis in (0, 1):
        both = ((views.origin * 80, views.extent * 80), (theirs[:, :2], theirs[:, 2:]))
        rooms = [(size - extent)[:, axis] for _, extent in both]
        places = [first[room > 1, axis] / room[room > 1] for (first, _), room in zip(both, rooms, strict=True)]
        assert ks_2samp(*(np.round(each, 2) for each in places)).statistic < 0.05
    assert (views.origin >= 0).all()
    assert ((views.origin + views.extent) * 80 <= size + 1e-9).all(), "nothing of the grey beside it is seen"


def test_a_shorter_edge_is_every_whole_number_of_its_range_alike_and_its_window_begins_at_a_whole_pixel() -> None:
    size, count = np.array([60.0, 80.0]), 20_000
    views = windows.drawn(np.random.default_rng(0), SHORTER_EDGE, (80, 80), np.tile(size, (count, 1)))

    # of 48 px of a photograph whose shorter edge is so many px
    edges = 48 / (views.extent[:, 0] * 80 / 60)
    whole = np.rint(edges).astype(int)
    assert np.abs(edges - whole).max() < 1e-6
    assert set(whole) == set(range(26, 105))
    assert np.bincount(whole)[26:].max() < 1.3 * count / 79
    first = views.origin * 80 / size * np.column_stack([whole, np.floor(whole * 80 / 60 + 1e-9)])
    assert np.abs(first - np.rint(first)).max() < 1e-6
    assert first.min() == 0
    room = np.maximum(whole - 48, 0)
    assert (first[:, 0] <= room + 1e-6).all()
    assert (first[whole == 58][:, 0].round() == 10).any(), "the last place that fits is drawn too"


def test_a_photograph_that_is_smaller_than_its_window_lies_in_its_corner_and_grey_around_it() -> None:
    white = squares(np.full((60, 80, 3), 255, np.uint8), side=80)
    small = Recipe(iterations=1, batch_size=1, lr=1, window=48, shorter_edge=(26, 26), eval_shorter_edge=26)
    views = windows.drawn(np.random.default_rng(0), small, (80, 80), np.array([[60.0, 80.0]]))

    seen = views.of_images(torch.from_numpy(white.images), torch.arange(1))[0, :, :, 0].round()

    assert (seen[:26, :34] == 255).all()
    assert (seen[26:] == 128).all()
    assert (seen[:, 34:] == 128).all()


@pytest.mark.parametrize(("height", "width"), [(60, 80), (80, 61), (43, 80)])
def test_the_middle_of_a_photograph_is_evaluated_as_torchvision_cuts_it(height: int, width: int) -> None:
    # shorter edge 32 and the middle 28 px of it: 256 and 224, smaller
    shown = noise(height, width)
    eighth = Recipe(iterations=1, batch_size=1, lr=1, eval_shorter_edge=32, eval_window=28)

    seen, _ = Feed(squares(shown, side=80), CPU).test(np.arange(1), eighth)

    cut = transforms.Compose([transforms.Resize(32), transforms.CenterCrop(28)])(Image.fromarray(shown))
    assert seen.shape == (1, 3, 28, 28)
    # Pillow rounds after each of the two axes
    assert np.abs(as_pixels(seen)[0] - np.asarray(cut, float)).max() < 1.1


def test_whole_photographs_are_evaluated_each_at_its_own_size_and_in_order() -> None:
    shapes = [(60, 80), (80, 60), (80, 60), (40, 80), (60, 80)]
    shown = [noise(*shape, seed) for seed, shape in enumerate(shapes)]
    data, looked_at = squares(*shown, side=80), list[tuple[int, ...]]()
    at_52 = Recipe(iterations=1, batch_size=1, lr=1, eval_shorter_edge=52)

    class Brightness(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            looked_at.append(tuple(images.shape))
            bright = images.mean(dim=(1, 2, 3))
            return torch.stack([bright, -bright], dim=1)

    metric = evaluate(Brightness(), task("sinclass"), data, recipe=at_52)

    assert looked_at == [(1, 3, 52, 69), (2, 3, 69, 52), (1, 3, 52, 104), (1, 3, 52, 69)]
    darker = [int(each.mean() < 127.5) for each in shown]
    assert metric == np.mean(np.array(darker) == data.labels), "no grey from beside a photograph is in its mean"
    seen, _ = Feed(data, CPU).test(np.arange(1), at_52)
    wanted = transforms.Resize(52)(Image.fromarray(shown[0]))
    assert np.abs(as_pixels(seen)[0] - np.asarray(wanted, float)).max() < 1.1


def test_a_photograph_is_stretched_over_the_whole_window_as_pillow_does_it() -> None:
    shown = noise(45, 80)
    stretched = Recipe(iterations=1, batch_size=1, lr=1, stretch=True, window=64)
    feed = Feed(squares(shown, side=80), CPU)

    [(step, _)] = feed.training(Order(1, 1, 0), 0, stretched, 0, [slice(0, 1)])
    test, _ = feed.test(np.arange(1), stretched)

    wanted = np.asarray(Image.fromarray(shown).resize((64, 64), Image.Resampling.BILINEAR), float)
    assert np.abs(as_pixels(step)[0] - wanted).max() < 1.1
    assert torch.equal(step, test), "evaluated as it is learnt"


def test_small_objects_count_in_evaluation_at_another_size_and_a_crop_takes_what_it_leaves_out() -> None:
    # given an object that is half a pixel wide once the square of 64 px is one of 32, and one at the edge
    boxes = np.array([[[0, 30, 30, 31, 50], [0, 0, 0, 6, 64]]], np.float32)
    data = ArraySet(np.zeros((1, 64, 64, 3), np.uint8), boxes, ("a",), "boxes")
    feed = Feed(data, CPU)

    _, half = feed.test(np.arange(1), Recipe(iterations=1, batch_size=1, lr=1, window=32))
    _, middle = feed.test(np.arange(1), Recipe(iterations=1, batch_size=1, lr=1, eval_shorter_edge=64, eval_window=48))

    assert half[0].tolist() == [[0, 15, 15, 15.5, 25], [0, 0, 0, 3, 32]]
    assert middle[0, :, 0].tolist() == [0, -1]
    assert middle[0, 0].tolist() == [0, 22, 22, 23, 42]


@pytest.mark.parametrize("name", ["finetune-sinclass-paper", "finetune-objdet-paper", "finetune-semseg-paper"])
def test_a_step_of_a_paper_recipe_has_the_size_that_the_paper_says(name: str) -> None:
    wide = np.random.default_rng(0).integers(256, size=(3, 300, 400, 3)).astype(np.uint8)
    feed, told = Feed(squares(*wide, side=400), CPU), recipe(name)

    [(images, _)] = feed.training(Order(3, 2, 0), 0, told, 0, [slice(0, 2)])
    test, _ = feed.test(np.arange(1), told)

    side = {"finetune-sinclass-paper": 224, "finetune-objdet-paper": 640, "finetune-semseg-paper": 480}[name]
    evaluated = {224: (224, 224), 640: (640, 640), 480: (520, 693)}[side]
    assert images.shape == (2, 3, side, side)
    assert test.shape[2:] == evaluated
    assert 0.5 < images.std() / test.std() < 2


def test_a_stored_photograph_loses_little_against_the_file_itself(tmp_path: object) -> None:
    # given a photograph of 150 x 200 px, kept at 160 px, of which the middle is evaluated
    from pathlib import Path

    shown = noise(150, 200)
    file = Path(str(tmp_path)) / "shown.png"
    Image.fromarray(shown).save(file)
    kept = ArraySet(
        photograph(file, placement((200, 150), 160, "letterbox"))[None],
        np.zeros(1, int),
        ("a",),
        content=np.array([[160, 120]], np.float32),
    )
    told = Recipe(iterations=1, batch_size=1, lr=1, eval_shorter_edge=64, eval_window=56)

    seen, _ = Feed(kept, CPU).test(np.arange(1), told)

    direct = transforms.Compose([transforms.Resize(64), transforms.CenterCrop(56)])(Image.fromarray(shown))
    off = as_pixels(seen)[0] - np.asarray(direct, float)
    assert np.abs(off).mean() < 0.05 * shown.std()
    assert abs(off.mean()) < 0.5
