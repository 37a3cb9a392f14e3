"""What stands in the room: made once, moved in and out of view. No Blender: things are notes of what was done."""

from __future__ import annotations

from render_actors.props import Props


def test_a_thing_is_made_once_and_put_away_when_it_is_not_wanted() -> None:
    # given a room with two things in view
    made: list[str] = []
    away: list[str] = []
    props = Props(lambda key: made.append(key) or key.upper(), away.append)
    assert props.take(["pot", "mug"]) == ["POT", "MUG"]
    # when the next scene has one of them and another, then nothing is made twice, and the first alone is put away
    assert props.take(["mug", "can"]) == ["MUG", "CAN"]
    assert (made, away) == (["pot", "mug", "can"], ["POT"])
    # and it comes back as it was
    assert props.take(["pot"]) == ["POT"]
    assert made == ["pot", "mug", "can"]
