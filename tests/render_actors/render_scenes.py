"""Render scenes given as numbers into OUT, one shard a scene: `python render_scenes.py OUT JSON-SETTING 0 1 2`."""

import json
import sys
from pathlib import Path

from render_actors.blender import Renderer
from render_actors.scene import RenderSetting, sample_scene
from render_actors.shards import write_shard

if __name__ == "__main__":
    out, setting = Path(sys.argv[1]), RenderSetting(**json.loads(sys.argv[2]))
    renderer = Renderer(setting)
    for number in map(int, sys.argv[3:]):
        images = renderer.render(sample_scene(setting, 0, number))
        write_shard(out / f"{number}.parquet", images, setting.classes)
    renderer.close()
