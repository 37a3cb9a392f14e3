"""What is known of the backbones without torch: their names, and which tasks and images they can work with."""

from dataclasses import dataclass

from tasks.base import TaskError, TaskFacts, network_of

# side of a ViT's patches
PATCH_PX = 16
# what timm's networks are named with, and how many sizes a feature pyramid stands on
_TIMM, _PYRAMID_MAPS = "timm:", 4


@dataclass(frozen=True)
class BackboneFacts:
    """pyramid: whether its maps have several sizes. smallest_px: least side of its images.

    The last map of those, which batch_norm may see, is a single point.
    """

    pyramid: bool = True
    batch_norm: bool = True
    smallest_px: int = 32


# a new backbone is one line here and one in tasks/models/backbones.py
BACKBONES: dict[str, BackboneFacts] = {
    "small_resnet": BackboneFacts(smallest_px=16),
    **dict.fromkeys(
        (
            "small_resnet_stride1",
            "small_resnet_stride1_quarter",
            "small_resnet_stride1_half",
            "small_resnet_stride1_double",
        ),
        BackboneFacts(smallest_px=8),
    ),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), BackboneFacts()),
    **dict.fromkeys(("convnext_tiny", "swin_t"), BackboneFacts(batch_norm=False)),
    **dict.fromkeys(("vit_s_16", "vit_b_16"), BackboneFacts(pyramid=False, batch_norm=False)),
}


def backbone_names() -> tuple[str, ...]:
    """All known backbone names."""
    return tuple(BACKBONES)


def check_pair(name: str, task: TaskFacts, resolution: int | None = None) -> None:
    """TaskError saying why where `task` cannot work on this backbone, or on images of `resolution` px."""
    backbone = _facts(name)
    if task.needs == "pyramid" and not backbone.pyramid:
        is_timm = network_of(name).startswith(_TIMM)
        flat = "not four of them" if is_timm else f"all its maps at one {PATCH_PX}th of the image"
        fitting = ", ".join(other for other, known in BACKBONES.items() if known.pyramid)
        raise TaskError(
            f"{task.name} reads maps of several sizes (a feature pyramid) and {name} has {flat}; "
            f"choose one of {fitting}"
        )
    if resolution is not None and resolution < backbone.smallest_px:
        raise TaskError(f"{name} needs images of {backbone.smallest_px} px or more, not {resolution}")
    if resolution is not None and network_of(name).startswith(_TIMM):
        from tasks.models.timm_backbones import check_images

        check_images(network_of(name), task.dilated, resolution)


def _facts(name: str) -> BackboneFacts:
    network = network_of(name)
    if network.startswith(_TIMM):
        # the one kind that must be built to be known
        from torch.nn import BatchNorm2d

        from tasks.models.timm_backbones import looked_over

        backbone = looked_over(network)
        batch_norm = any(isinstance(each, BatchNorm2d) for each in backbone.modules())
        return BackboneFacts(len(set(backbone.strides)) == _PYRAMID_MAPS, batch_norm, max(backbone.strides))
    if network not in BACKBONES:
        raise TaskError(f"unknown backbone {name!r}; known backbones: {', '.join(BACKBONES)}, {_TIMM}NAME")
    return BACKBONES[network]


def needs_two_images(name: str, task: TaskFacts, resolution: int) -> bool:
    """Whether batch norm would have one value a channel to learn from in a single image of `resolution` px.

    So it is where the backbone's last map is a single point, and behind the pooling of DeepLab's head.
    """
    backbone = _facts(name)
    return task.dilated or (backbone.batch_norm and resolution <= backbone.smallest_px)
