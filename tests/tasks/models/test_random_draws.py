"""What is drawn at random: a function of seed, step, layer and an image's place, whoever holds the image."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler
from torchvision.ops import StochasticDepth

from tasks.models.random_draws import Place, share_draws

BATCH = 64


def _dropped(layer: nn.Module, *, seed: int = 0, step: int = 0, part: slice = slice(0, BATCH)) -> Tensor:
    """Ones, (part, 5, 3), as the second of two layers of its kind leaves them."""
    model = nn.Sequential(nn.Dropout(0.5), nn.Identity(), layer)
    share_draws(model, Place(seed, BATCH, step, part))
    out: Tensor = model[2](torch.ones(part.stop - part.start, 5, 3))
    return out


@pytest.mark.parametrize("layer", [nn.Dropout(0.25), StochasticDepth(0.25, "row")], ids=["numbers", "images"])
def test_a_quarter_is_dropped_the_same_however_the_batch_is_cut(layer: nn.Module) -> None:
    whole = _dropped(layer)

    parts = [_dropped(layer, part=slice(start, end)) for start, end in pairwise([0, 1, 30, BATCH])]

    assert torch.equal(torch.cat(parts), whole)
    assert whole.unique().tolist() == pytest.approx([0, 4 / 3])
    assert 0.6 < float((whole > 0).float().mean()) < 0.9
    assert isinstance(layer, nn.Dropout) != bool((whole == whole[:, :1, :1]).all())


def test_every_seed_step_and_layer_drops_something_else() -> None:
    one = _dropped(nn.Dropout(0.5))
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5))
    share_draws(model, Place(0, BATCH, 0, slice(0, BATCH)))

    assert not torch.equal(one, _dropped(nn.Dropout(0.5), seed=1))
    assert not torch.equal(one, _dropped(nn.Dropout(0.5), step=1))
    assert torch.equal(one, model[1](torch.ones(BATCH, 5, 3)))
    assert not torch.equal(one, model[0](torch.ones(BATCH, 5, 3)))


def test_nothing_is_dropped_where_nothing_is_learnt_and_where_the_layer_drops_nothing() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.0))
    share_draws(model, Place(0, 2, 0, slice(0, 2)))

    assert isinstance(model[1], nn.Dropout)
    assert torch.equal(model.eval()(torch.ones(2, 3)), torch.ones(2, 3))


def test_a_model_that_is_trained_again_draws_for_its_new_training() -> None:
    model = nn.Sequential(nn.Dropout(0.5), StochasticDepth(0.5, "row"))
    share_draws(model, Place(0, BATCH, 0, slice(0, BATCH)))
    again = Place(1, 2 * BATCH, 0, slice(0, 2 * BATCH))

    share_draws(model, again)

    assert [layer.place for layer in model] == [again, again]
    whole = model[1](torch.ones(2 * BATCH, 5))
    assert torch.equal(whole, whole[:, :1].expand(-1, 5))


def test_a_detector_learns_from_the_same_regions_of_an_image_whoever_holds_it() -> None:
    # given a head whose sampler takes 4 of 32 regions, half of which show an object
    head = nn.Module()
    head.fg_bg_sampler = BalancedPositiveNegativeSampler(4, 0.5)
    regions = [torch.arange(32) % 2] * 6

    def chosen(part: slice) -> list[Tensor]:
        share_draws(head, Place(0, 6, 0, part))
        positive, negative = head.fg_bg_sampler(regions[part])  # type: ignore[operator]
        return [torch.stack(pair) for pair in zip(positive, negative, strict=True)]

    whole = chosen(slice(0, 6))

    assert torch.equal(torch.stack(chosen(slice(0, 2)) + chosen(slice(2, 6))), torch.stack(whole))
    assert [int(masks.sum()) for masks in whole] == [4] * 6
    assert not torch.equal(whole[0], whole[1])
