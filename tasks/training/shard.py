"""Which images of a batch each worker takes, and in how many parts. No torch: a sweep is checked without it."""

from dataclasses import dataclass
from itertools import pairwise

from tasks.base import TaskError


@dataclass(frozen=True)
class Shard:
    """This worker's place: worker `rank` of `world`."""

    rank: int = 0
    world: int = 1

    def parts(self, batch_size: int, device_batch: int) -> list[slice]:
        """Which places of a global batch this worker takes, in parts of at most `device_batch` (0 = all at once).

        Shares differ by one image at most, and every worker has as many parts: they meet in each.
        """
        bounds = _even(0, batch_size, self.world)
        smallest = batch_size // self.world
        largest = -(-batch_size // self.world)
        # where one share is a single image larger, its parts may be so too
        count = min(smallest, -(-largest // (device_batch or largest)))
        cuts = _even(bounds[self.rank], bounds[self.rank + 1], count)
        return [slice(start, end) for start, end in pairwise(cuts)]


def _even(start: int, end: int, count: int) -> list[int]:
    """Bounds (count + 1,) that cut start..end into `count` nearly equal pieces."""
    return [start + (end - start) * piece // count for piece in range(count + 1)]


def rendered_part(batch_size: int, share: float) -> int:
    """How many images of a batch are renders; TaskError where either kind has none."""
    renders = round(share * batch_size)
    if not 0 < renders < batch_size:
        raise TaskError(
            f"a share of {share:g} of {batch_size} images a batch leaves none of one kind; raise batch_size, or"
            " choose a share nearer to a half"
        )
    return renders
