"""Whether a function of the user's draws the same scene again: its images are named by (setting, seed, scene) alone."""

from __future__ import annotations

import hashlib
import json
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np

from render_actors.labels import MAPS
from render_actors.setting.source import source_content
from render_actors.sources.function import load_function, scene_of_function
from tasks.data.readers.pictures import cache_root

if TYPE_CHECKING:
    from render_actors.setting.setting import RenderSetting


class NotDrawnError(RuntimeError):
    """The scene could not be drawn here, by what may pass or may be otherwise elsewhere."""


def check_repeats(setting: RenderSetting, seed: int, limit_s: float) -> None:
    """Draw the first scene twice, each time in a process of its own, once for a function that did not change.

    Raises ValueError for a function that draws another scene the second time, or one that `scene_of_function` refuses;
    NotDrawnError where it fails otherwise, or takes longer than `limit_s`.
    """
    assert setting.source is not None
    told = json.dumps([source_content(setting.source), setting.content(), seed], sort_keys=True)
    known = cache_root() / "repeated" / hashlib.sha256(told.encode()).hexdigest()[:32]
    if known.is_file():
        return
    first, second = (_drawn_apart(setting, seed, limit_s) for _ in range(2))
    if first != second:
        raise ValueError(
            f"{setting.source.where} draws scene 0 of seed {seed} otherwise each time; let all that it draws at random"
            " come from np.random.default_rng([seed, scene])"
        )
    known.parent.mkdir(parents=True, exist_ok=True)
    known.touch()


def _drawn_apart(setting: RenderSetting, seed: int, limit_s: float) -> str:
    """The digest of scene 0, drawn in a process that knows nothing of another."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_tell, args=(theirs, setting, seed), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(limit_s):
            raise NotDrawnError(f"scene 0 took longer than {limit_s:g} s")
        kind, text = json.loads(ours.recv_bytes())
    except EOFError:
        raise NotDrawnError("the process that drew scene 0 died") from None
    finally:
        process.terminate()
        process.join()
    if kind == "refused":
        raise ValueError(text)
    if kind == "failed":
        raise NotDrawnError(text)
    return str(text)


def _tell(where: Connection, setting: RenderSetting, seed: int) -> None:
    try:
        said = ["drawn", _digest(setting, seed)]
    except ValueError as error:
        said = ["refused", str(error)]
    except RuntimeError as error:
        said = ["failed", str(error)]
    where.send_bytes(json.dumps(said).encode())


def _digest(setting: RenderSetting, seed: int) -> str:
    assert setting.source is not None
    digest = hashlib.sha256()
    for image in scene_of_function(load_function(setting.source.where), setting, seed, 0):
        digest.update(repr(image.objects).encode())
        for name in MAPS:
            pixels = getattr(image, name)
            digest.update(b"" if pixels is None else np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
