"""A step of training, as the tests of every kind of backbone make it."""

from __future__ import annotations

import torch

from tasks.base import task
from tasks.data.drawn import shapes
from tasks.models.transfer import TransferModel, seeded_model


def one_step(backbone: str, name: str) -> TransferModel:
    """A model of 64 px after one batch: every parameter has a gradient, and its predictions have a score.

    A parameter without a gradient would stop DDP.
    """
    learnt = task(name)
    data = shapes(4, 64, seed=0, kind=learnt.label_kind)
    model = seeded_model(backbone, learnt, len(data.class_names), 0, len(data.keypoint_names))
    images, labels = torch.from_numpy(data.images).permute(0, 3, 1, 2) / 127.5 - 1, torch.from_numpy(data.labels)

    loss = learnt.loss(model.train()(images, labels), labels)
    loss.backward()

    assert torch.isfinite(loss)
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    with torch.inference_mode():
        score = learnt.metric([learnt.evidence(model.eval()(images).float(), labels)])
    assert 0 <= score <= 1
    return model
