"""One trial of `sweeper bench policy`, what the trials found, and the recorded curves that some are made of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.paper.recorded import Curve, Setting, read_paper
from analysis.policy.registry import OURS
from sweeper.errors import BadInput

# What the trials found, by question and policy.
Found = dict[tuple[str, str], list[Any]]
Paper = dict[Setting, Curve]
# The policy beside which every figure is shown.
PLAIN = "grid"
# Of drawn cases, whose fits no two replays share, the grid and the best of the others on the recorded ones.
DRAWN_POLICIES = (OURS, "grid", "d_optimal")


@dataclass(frozen=True)
class Trial:
    """One trial of one policy, or design, on one `question`: which function, and its arguments after that name."""

    question: str
    run: Callable[..., Any]
    policy: str
    arguments: tuple[Any, ...]


def recorded(data_root: Path | None) -> Paper:
    """The paper's recorded curves; BadInput where they cannot be read."""
    root = data_root or (Path(os.environ["SWEEPER_DATA_ROOT"]) if os.environ.get("SWEEPER_DATA_ROOT") else None)
    if root is None:
        raise BadInput(
            "bench policy needs the recorded curves; name their folder with --data-root or SWEEPER_DATA_ROOT"
        )
    try:
        return read_paper(root / "curves" / "cg_transfer_finetune.csv")
    except ValueError as error:
        raise BadInput(str(error)) from None


def suffix(policy: str) -> str:
    """What the names of a policy's figures end in."""
    return "" if policy == OURS else f"_{policy}"
