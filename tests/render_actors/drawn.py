"""Images drawn without a renderer, for tests of what is done with images."""

from __future__ import annotations

import dataclasses

import numpy as np

from render_actors.labels import ObjectPose, RenderedImage, camera_of, image_of_maps, semantic_map, unit_normals


def drawn_image(index: int, side: int = 24) -> RenderedImage:
    """Two squares, of classes 3 and 1, the second one px large."""
    rgb = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
    instances = np.zeros((side, side), dtype=np.uint8)
    instances[2:8, 4 + index : 9 + index] = 1
    instances[20, 20] = 2
    return image_of_maps(index, rgb, instances, class_ids=[3, 1], smallest_px=2)


def fully_labelled(index: int) -> RenderedImage:
    """The same with every label; depth and normals are noise."""
    image = drawn_image(index)
    rng = np.random.default_rng(index)
    poses = tuple(ObjectPose(k, tuple(rng.normal(size=12).tolist()), 0.45) for k in (3, 1))
    return dataclasses.replace(
        image,
        semantic=semantic_map(image.instances, [3, 1]),
        normals=unit_normals(rng.normal(size=(24, 24, 3)).astype(np.float32)),
        depth=rng.uniform(1, 5, (24, 24)).astype(np.float32),
        poses=poses,
        camera=camera_of(24, 0.9, np.eye(4)),
        target=3,
    )
