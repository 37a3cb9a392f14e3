"""The optimiser of a recipe: which parameters learn at which rate, and which of them decay."""

from typing import Any

import torch
from torch import nn

from tasks.recipes.recipe import Recipe

_NORMALISATIONS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
_AUXILIARY = "head.auxiliary."


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """An optimiser of all parameters, in groups of one `rate`, by which lr is multiplied, and one weight decay.

    Those of an auxiliary head learn `auxiliary_rate` times as fast (appendix A of the paper); without `decay_norms`
    weights and biases of normalisations do not decay (Goyal et al. 2017).
    """
    norms = {
        parameter
        for module in model.modules()
        if isinstance(module, _NORMALISATIONS)
        for parameter in module.parameters(recurse=False)
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = recipe.auxiliary_rate if name.startswith(_AUXILIARY) else 1.0
        decay = recipe.weight_decay if recipe.decay_norms or parameter not in norms else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    grouped: list[dict[str, Any]] = [
        {"params": parameters, "rate": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(grouped, recipe.lr, fused=True)
    return torch.optim.SGD(grouped, recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True)
