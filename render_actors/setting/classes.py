"""The classes of a rendering setting and their names."""

from render_actors.setting.object_class import ObjectClass
from render_actors.setting.objects import pool_classes
from render_actors.setting.setting import RenderSetting


def classes_of(setting: RenderSetting) -> tuple[ObjectClass, ...]:
    """The classes that a setting draws from; class_id is the position."""
    return pool_classes(setting.objects, setting.classes, setting.texture)


def class_names(setting: RenderSetting) -> tuple[str, ...]:
    """Names of the setting's classes, by class_id."""
    if setting.source is not None:
        return setting.source.class_names
    return tuple(entry.name for entry in classes_of(setting))
