"""The two-layer network of equation (5) on the circle and its averaged SGD, all seeds side by side.

    g(x) = M^-1/2 sum_r a_r sigma(b_r . x),    x and b_r(0) on the circle,

with a_r = 1 in one half and -1 in the other, whose b are the same, so that g = 0 at the start. A step on one fresh
sample descends the gradient of (g(x) - y)^2 / 2 + lambda / 2 (|a - a0|^2 + sum |b_r - b0_r|^2), where a0, b0 are
what the training started from: in fine-tuning the pre-trained network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats
from analysis.theory.activations import Activation
from analysis.theory.targets import POINTS, Samples


@dataclass(frozen=True, eq=False)
class Network:
    """Parameters of networks of width M, one a seed: a and the two coordinates of b, each of shape (seeds, M)."""

    activation: Activation
    a: Floats
    b_x: Floats
    b_y: Floats


def start(activation: Activation, width: int, seeds: int, rng: np.random.Generator) -> Network:
    """Networks that are 0 everywhere; ValueError for an odd width."""
    if width % 2:
        raise ValueError(f"width {width} is odd; the two halves of the network must cancel, so take an even one")
    angle = np.tile(rng.uniform(0, 2 * np.pi, (seeds, width // 2)), 2)
    sign = np.repeat([1.0, -1.0], width // 2)
    return Network(activation, np.tile(sign, (seeds, 1)), np.cos(angle), np.sin(angle))


def squared_error(network: Network, target: Floats, every: int = 8) -> Floats:
    """Mean square of g - target over every so many of the POINTS steps around the circle; target (seeds, POINTS)."""
    angle = np.arange(0, POINTS, every) * (2 * np.pi / POINTS)
    found = np.empty(target.shape[0])
    for seed, (a, b_x, b_y) in enumerate(zip(network.a, network.b_x, network.b_y, strict=True)):
        inner = np.multiply.outer(np.cos(angle), b_x) + np.multiply.outer(np.sin(angle), b_y)
        values = network.activation.value(inner) @ a / np.sqrt(a.size)
        found[seed] = np.mean((values - target[seed, ::every]) ** 2)
    return found


def train(network: Network, samples: Samples, rate: float, penalty: float) -> tuple[Network, Network]:
    """Averaged SGD from `network`: the mean of all iterates, the start among them, and the last one."""
    scale = network.a.shape[1] ** -0.5
    keep, pull = 1 - rate * penalty, rate * penalty
    a, b_x, b_y = network.a.copy(), network.b_x.copy(), network.b_y.copy()
    home = [pull * each for each in (a, b_x, b_y)]
    total = [each.copy() for each in (a, b_x, b_y)]
    for cosine, sine, y in samples.steps():
        inner = b_x * cosine
        inner += b_y * sine
        hidden = network.activation.value(inner)
        miss = (rate * scale) * (scale * np.einsum("sm,sm->s", a, hidden) - y)[:, None]
        back = network.activation.slope(inner)
        back *= a
        back *= miss
        hidden *= miss
        a *= keep
        a += home[0]
        a -= hidden
        b_x *= keep
        b_x += home[1]
        b_x -= back * cosine
        b_y *= keep
        b_y += home[2]
        b_y -= back * sine
        total[0] += a
        total[1] += b_x
        total[2] += b_y
    mean = [each / (samples.at.shape[1] + 1) for each in total]
    return Network(network.activation, *mean), Network(network.activation, a, b_x, b_y)
