"""What stands in the room: made once, moved in and out of view. No Blender: things are notes of what was done."""

from __future__ import annotations

from render_actors.blender.props import Props, copies


def test_a_thing_is_made_once_and_put_away_when_it_is_not_wanted() -> None:
    # given a room with two things in view
    made: list[str] = []
    away: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    props = Props(make, away.append)
    assert props.take(["pot", "mug"]) == ["POT", "MUG"]
    # when the next scene has one of them and another, then nothing is made twice, and the first alone is put away
    assert props.take(["mug", "can"]) == ["MUG", "CAN"]
    assert (made, away) == (["pot", "mug", "can"], ["POT"])
    # and it comes back as it was
    assert props.take(["pot"]) == ["POT"]
    assert made == ["pot", "mug", "can"]


def test_two_objects_of_a_class_are_two_copies() -> None:
    assert copies("object", [4, 2, 4]) == [("object", 4, 0), ("object", 2, 0), ("object", 4, 1)]
