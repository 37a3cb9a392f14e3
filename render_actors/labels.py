"""What is known of one rendered image, and how the labels follow from its instance map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A pixel that averages two surfaces has no normal of its own: its mean is shorter than this.
SHORTEST_NORMAL = 0.9
# Instance and class numbers are stored in 8 bits, 0 is the background.
MOST_NUMBERS = 255

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class VisibleObject:
    """An object seen in an image: box is (x0, y0, x1, y1) in px of its visible pixels, x1 and y1 exclusive."""

    instance_id: int
    class_id: int
    box: tuple[int, int, int, int]
    visible_px: int


@dataclass(frozen=True)
class ObjectPose:
    """Where an object's mesh is, seen from the camera, in OpenCV's axes (x right, y down, z forward), metres.

    matrix: 12 numbers, the rows of [R | t]; a point of the mesh in the unit sphere is scaled by `scale` metres, then
    turned and moved. Instance k + 1 of the image is its pose k.
    """

    class_id: int
    matrix: Numbers
    scale: float


@dataclass(frozen=True)
class Camera:
    """intrinsics: the rows of the 3x3 matrix K in px; to_world: the rows of the 4x4 pose, looking along -z."""

    intrinsics: Numbers
    to_world: Numbers


@dataclass(frozen=True)
class MapForm:
    """How a map of an image is kept: the shard's column, element type, sizes of the axes behind (H, W)."""

    column: str
    dtype: type
    channels: tuple[int, ...] = ()

    @property
    def is_png(self) -> bool:
        """Whether the column holds PNG files, else the bare numbers."""
        return self.column.endswith("_png")


# The maps of a RenderedImage by their names in it: a new one is a line here, a field there and a RenderSetting.labels.
MAPS = {
    "rgb": MapForm("rgb_png", np.uint8, (3,)),
    "instances": MapForm("instances_png", np.uint8),
    "semantic": MapForm("semantic_png", np.uint8),
    "normals": MapForm("normals", np.float16, (3,)),
    "depth": MapForm("depth", np.float32),
}


@dataclass(frozen=True)
class RenderedImage:
    """Image `index` of a setting: rgb uint8 (H, W, 3), instances uint8 (H, W) with 0 = background, visible objects.

    `objects` leaves out what covers less than the setting's min_visible_px; `instances` keeps every pixel.
    Where the setting's labels ask for them: semantic uint8 (H, W), class_id + 1, 0 = background; normals float16
    (H, W, 3), unit, in camera axes (x right, y up, z to the viewer), 0 where there is none; depth
    float32 (H, W), metres along the viewing axis; poses of all objects of the scene; the camera; target, the class of
    the object that the camera aims at (`target_class`). content: width and height in px of what is image, from the top
    left corner; None: all of it.
    """

    index: int
    rgb: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    objects: tuple[VisibleObject, ...]
    semantic: NDArray[np.uint8] | None = None
    normals: NDArray[np.float16] | None = None
    depth: NDArray[np.float32] | None = None
    poses: tuple[ObjectPose, ...] | None = None
    camera: Camera | None = None
    target: int | None = None
    content: tuple[int, int] | None = None


def image_of_maps(
    index: int,
    rgb: NDArray[np.uint8],
    instances: NDArray[np.uint8],
    class_ids: Sequence[int],
    smallest_px: int,
) -> RenderedImage:
    """Labels of one image: instance k + 1 is the object of class class_ids[k]; under `smallest_px` it is not listed."""
    objects = []
    for number, class_id in enumerate(class_ids, start=1):
        rows, columns = np.nonzero(instances == number)
        if len(rows) == 0 or len(rows) < smallest_px:
            continue
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        objects.append(VisibleObject(number, class_id, box, len(rows)))
    return RenderedImage(index, rgb, instances, tuple(objects))


def target_class(image: RenderedImage, aimed: int, class_ids: Sequence[int]) -> int:
    """The class of the object in the middle: instance `aimed` + 1 or, where too little of it is seen, a seen one.

    Of the objects that are listed it is then the one whose box lies nearest to the image's middle; where none is
    listed, the camera shows nothing but the object aimed at.
    """
    if not image.objects or any(seen.instance_id == aimed + 1 for seen in image.objects):
        return class_ids[aimed]
    middle = np.array(image.instances.shape[::-1]) / 2

    def away(seen: VisibleObject) -> float:
        corners = np.array(seen.box, float).reshape(2, 2)
        return float(np.linalg.norm(np.maximum(np.maximum(corners[0] - middle, middle - corners[1]), 0)))

    return min(image.objects, key=lambda seen: (away(seen), -seen.visible_px, seen.instance_id)).class_id


def semantic_map(instances: NDArray[np.uint8], class_ids: Sequence[int]) -> NDArray[np.uint8]:
    """Class of each pixel, class_id + 1, 0 = background; uint8 (H, W). Instance k + 1 is of class class_ids[k]."""
    return np.array([0, *(class_id + 1 for class_id in class_ids)], np.uint8)[instances]


def unit_normals(means: NDArray[np.float32]) -> NDArray[np.float16]:
    """Normals (H, W, 3) made unit; 0 where the mean over the pixel is too short to have one direction."""
    lengths = np.linalg.norm(means, axis=-1, keepdims=True)
    return np.where(lengths >= SHORTEST_NORMAL, means / np.maximum(lengths, SHORTEST_NORMAL), 0).astype(np.float16)


def pose_in_camera(
    class_id: int, position: Sequence[float], rotation: Sequence[Sequence[float]], scale: float, camera: NDArray
) -> ObjectPose:
    """The pose of an object placed at `position` (world, metres) for a camera-to-world matrix (4, 4)."""
    to_camera = np.diag([1.0, -1.0, -1.0]) @ camera[:3, :3].T
    turned, moved = to_camera @ np.array(rotation), to_camera @ (np.array(position) - camera[:3, 3])
    return ObjectPose(class_id, tuple(np.column_stack([turned, moved]).ravel().tolist()), scale)


def camera_of(side: int, field_of_view: float, to_world: NDArray) -> Camera:
    """The camera of a square image of `side` px and a field of view in radians, its centre at side / 2."""
    focal = side / 2 / float(np.tan(field_of_view / 2))
    return camera_from((focal, 0.0, side / 2, 0.0, focal, side / 2, 0.0, 0.0, 1.0), to_world)


def camera_from(intrinsics: Numbers, to_world: NDArray) -> Camera:
    """The camera of the nine numbers of K in px and a camera-to-world matrix (4, 4)."""
    return Camera(intrinsics, tuple(float(x) for x in np.asarray(to_world).ravel()))
