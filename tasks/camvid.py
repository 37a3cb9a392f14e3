"""CamVid's road scenes in the 11 classes of SegNet's version, in ADE20K's layout."""

CLASS_NAMES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
# the class number that does not count
VOID = 11
