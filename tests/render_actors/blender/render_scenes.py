"""Render scenes given as numbers into OUT, one shard a scene: `python render_scenes.py OUT JSON-SETTING 0 1 2`.

A scene that comes again is drawn by a new renderer in the place of the old.
"""

import json
import sys
from pathlib import Path
from typing import Any

from render_actors.blender.renderer import Renderer
from render_actors.scene.sample import sample_scene
from render_actors.setting.classes import class_names
from render_actors.setting.setting import RenderSetting
from render_actors.shards.format import write_shard

if __name__ == "__main__":
    out = Path(sys.argv[1])
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(sys.argv[2]).items()}
    setting = RenderSetting(**values)
    renderer, drawn = Renderer(setting), set[int]()
    for number in map(int, sys.argv[3:]):
        if number in drawn:
            renderer.close()
            renderer, drawn = Renderer(setting), set()
        drawn.add(number)
        images = renderer.render(sample_scene(setting, 0, number))
        write_shard(out / f"{number}.parquet", images, len(class_names(setting)))
    renderer.close()
