"""How complex a rendered set looks to a trained network: section 4.5 of Mikami et al. (2021).

A Gaussian is fitted to the backbone's last activations over the set; its negative entropy is the measure. The higher
it is, the fewer directions the activations fill.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Complexity:
    """negative_entropy in nats, of the Gaussian with the shrunk covariance; `features` wide, from `images` images.

    shrinkage in [0, 1]: the share of the covariance that a multiple of the identity replaced. It falls as n grows,
    which changes the entropy by more than sets differ. So compare only sets of the same number of images and features.
    """

    negative_entropy: float
    features: int
    images: int
    shrinkage: float

    def __str__(self) -> str:
        each = self.negative_entropy / self.features
        return (
            f"negative entropy {self.negative_entropy:.1f} nats ({each:.3f} a feature; {self.images} images, "
            f"{self.features} features, shrinkage {self.shrinkage:.2f})"
        )


def complexity(activations: NDArray[np.floating]) -> Complexity:
    """The measure for activations (images, features).

    The Gaussian's entropy is log det(2 pi e S) / 2. The sample covariance S_n of a small set is singular, so S is that
    of Ledoit and Wolf (2004, J. Multivariate Analysis 88): (1 - r) S_n + r m I with m the mean variance and r the share
    that minimises the expected squared error. Features that never vary in the set say nothing and are left out.

    Raises ValueError for fewer than two images, values that are not finite, or no feature that varies.
    """
    values = np.asarray(activations, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"complexity: activations {values.shape} with {np.count_nonzero(~np.isfinite(values))} values that are not "
            "finite; give (images, features), two images or more"
        )
    varying = values[:, np.ptp(values, axis=0) > 0]
    if varying.shape[1] == 0:
        raise ValueError("complexity: no activation varies over the images; the network or the set is degenerate")
    images, features = varying.shape
    covariance, shrinkage = _ledoit_wolf(varying - varying.mean(axis=0))
    sign, log_determinant = np.linalg.slogdet(covariance)
    if sign <= 0:
        raise ValueError(f"complexity: {images} images do not determine the spread of {features} features; give more")
    entropy = 0.5 * (features * np.log(2 * np.pi * np.e) + log_determinant)
    return Complexity(float(-entropy), features, images, shrinkage)


def _ledoit_wolf(centred: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Shrunk covariance (features, features) of centred rows, and the share r in [0, 1] that the identity has in it."""
    images, features = centred.shape
    sample = centred.T @ centred / images
    mean_variance = np.trace(sample) / features
    squared = float((sample**2).sum())
    distance = squared - features * mean_variance**2
    noise = (float(((centred**2).sum(axis=1) ** 2).sum()) / images - squared) / images
    share = 1.0 if distance <= 0 else float(np.clip(noise / distance, 0.0, 1.0))
    return (1 - share) * sample + share * mean_variance * np.eye(features), share
