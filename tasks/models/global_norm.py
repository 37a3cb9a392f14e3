"""Batch normalisation over the global batch, so that 1, 2 or 4 workers train the same model.

torch's SyncBatchNorm exists for GPUs only; on the CPU the same arithmetic is done here over gloo.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

# Of timm's batch norm, what follows the norm.
_ACTS = ("drop", "act")


class _GlobalStatistics(torch.autograd.Function):
    """Normalise by the mean and variance of all workers' images, with the gradient through both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, ...]:
        var, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
        own = x.numel() // x.shape[1]
        # workers may hold different numbers of images: sums are added up, and what they are sums of
        sums = torch.cat([own * mean, own * (var + mean * mean), mean.new_tensor([own])])
        distributed.all_reduce(sums)
        count = sums[-1]
        mean, square = (sums[:-1] / count).chunk(2)
        var = (square - mean * mean).clamp_(min=0)
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var, count)
        return functional.batch_norm(x, mean, var, weight, bias, False, 0.0, eps), mean, var, count

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, var, count = ctx.saved_tensors
        grad = grads[0]
        # the fused kernel gives the gradient with the statistics held fixed, and both sums the rest needs
        fixed, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([grad_bias, grad_weight]).float()
        distributed.all_reduce(sums)
        sums /= count
        inverse = torch.rsqrt(var + ctx.eps)
        slope = weight * inverse * inverse * sums[1]
        offset = weight * inverse * sums[0] - slope * mean
        shape = (1, -1, 1, 1)
        grad_x = fixed - (x * slope.view(shape).to(x.dtype) + offset.view(shape).to(x.dtype))
        return grad_x, grad_weight, grad_bias, None


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose training statistics are those of all workers' images together."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (B, C, H, W); in eval mode exactly BatchNorm2d."""
        if not self.training:
            return super().forward(x)
        normalised, mean, var, count = _GlobalStatistics.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr, arg-type]
            self.running_var.lerp_(var * count / (count - 1), self.momentum)  # type: ignore[union-attr, arg-type]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        out: Tensor = normalised
        return out


class GlobalBatchNormAct2d(GlobalBatchNorm2d):
    """The same for timm's batch norm that drops and activates, too; its parts keep their names."""

    drop: nn.Module
    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """Normalised and activated (B, C, H, W)."""
        out: Tensor = self.act(self.drop(super().forward(x)))
        return out


def synchronise_batch_norm(model: nn.Module, device: torch.device) -> None:
    """Replace every BatchNorm2d in `model` by one that spans all workers; weights, buffers and names stay."""
    for name, child in model.named_children():
        acts = isinstance(child, nn.BatchNorm2d) and hasattr(child, "act")
        if type(child) is not nn.BatchNorm2d and not acts:
            synchronise_batch_norm(child, device)
        elif device.type == "cuda":
            setattr(model, name, _on_gpus(child, acts))
        else:
            kind = GlobalBatchNormAct2d if acts else GlobalBatchNorm2d
            norm = cast(nn.BatchNorm2d, child)
            shared = kind(norm.num_features, norm.eps, norm.momentum)
            for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", *_ACTS * acts):
                setattr(shared, part, getattr(child, part))
            setattr(model, name, shared)


def _on_gpus(norm: nn.Module, acts: bool) -> nn.Module:
    if acts:
        from timm.layers import convert_sync_batchnorm

        return cast(nn.Module, convert_sync_batchnorm(norm))
    return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(norm))
