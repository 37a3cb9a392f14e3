"""Shards: what is written comes back, damage is found, arrays are made once."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from render_actors.export.contact_sheet import contact_sheet, side_by_side
from render_actors.setting.setting import RenderSetting
from render_actors.shards import arrays as arrays_module
from render_actors.shards.arrays import ImageView, load_arrays
from render_actors.shards.format import CorruptShardError, read_shard, write_shard
from render_actors.sources.function import Picture, labelled
from tests.render_actors.drawn import drawn_image, fully_labelled


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for number, path in enumerate(paths):
        write_shard(path, [drawn_image(3 * number + k) for k in range(3)], classes=5)
    return paths


def test_labels_come_from_the_instance_map() -> None:
    image = drawn_image(1)
    assert [(seen.class_id, seen.box, seen.visible_px) for seen in image.objects] == [(3, (5, 2, 10, 8), 30)]
    assert image.instances[20, 20] == 2, "the mask keeps what is too small to be listed"


@pytest.mark.parametrize("resolution", [32, 64, 640])
def test_what_can_be_seen_is_labelled_at_any_resolution(resolution: int) -> None:
    # given an object of 3 x 3 px, one of 40 x 40 px where that fits, and a speck of 2 x 2
    instances = np.zeros((resolution, resolution), np.uint8)
    instances[:3, :3] = 1
    instances[10:12, 10:12] = 2
    instances[20:60, 20:60] = 3
    picture = Picture(np.zeros((resolution, resolution, 3), np.uint8), instances, [4, 5, 6])

    seen = labelled(0, picture, picture.class_ids, RenderSetting(resolution=resolution)).objects

    assert [one.class_id for one in seen] == [4, 6]
    strict = RenderSetting(resolution=resolution, min_visible_px=10)
    assert [one.class_id for one in labelled(0, picture, picture.class_ids, strict).objects] == [6]


def test_a_shard_comes_back_as_it_was(shards: list[Path]) -> None:
    for number, image in enumerate(read_shard(shards[1])):
        wanted = drawn_image(3 + number)
        assert (image.index, image.objects) == (wanted.index, wanted.objects)
        np.testing.assert_array_equal(image.rgb, wanted.rgb)
        np.testing.assert_array_equal(image.instances, wanted.instances)


def test_the_same_images_make_the_same_bytes(shards: list[Path], tmp_path: Path) -> None:
    write_shard(tmp_path / "again.parquet", [drawn_image(k) for k in range(3)], classes=5)
    assert (tmp_path / "again.parquet").read_bytes() == shards[0].read_bytes()


def test_a_flipped_byte_in_an_image_is_found(shards: list[Path]) -> None:
    data = bytearray(shards[0].read_bytes())
    data[data.index(b"IDAT") + 50] ^= 0x40
    shards[0].write_bytes(data)
    with pytest.raises(CorruptShardError, match=r"a\.parquet is corrupt"):
        read_shard(shards[0])


def test_no_flipped_byte_gives_other_images(shards: list[Path]) -> None:
    # given a shard with one byte flipped anywhere, then it is refused or reads as it was (a byte nobody needs)
    data = shards[0].read_bytes()
    refused, tried = 0, range(0, len(data), 41)
    for position in tried:
        damaged = bytearray(data)
        damaged[position] ^= 0x21
        shards[0].write_bytes(damaged)
        try:
            images = read_shard(shards[0])
        except CorruptShardError:
            refused += 1
            continue
        for number, image in enumerate(images):
            assert image.objects == drawn_image(number).objects
            np.testing.assert_array_equal(image.rgb, drawn_image(number).rgb)
    assert refused > len(tried) / 2


def test_a_cut_shard_is_found(shards: list[Path], tmp_path: Path) -> None:
    shards[1].write_bytes(shards[1].read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"b\.parquet is corrupt"):
        load_arrays(shards, 5, tmp_path / "cache", "key")
    assert list((tmp_path / "cache").iterdir()) == [], "nothing half-made is left"


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.parquet does not exist"):
        read_shard(tmp_path / "none.parquet")


def test_arrays_hold_the_first_n_images_and_their_classes(shards: list[Path], tmp_path: Path) -> None:
    arrays = load_arrays(shards, 5, tmp_path / "cache", "key")
    assert arrays.images.shape == (5, 24, 24, 3)
    np.testing.assert_array_equal(arrays.images[4], drawn_image(4).rgb)
    np.testing.assert_array_equal(arrays.class_sets, [[0, 0, 0, 1, 0]] * 5)


def test_arrays_are_decoded_once(shards: list[Path], tmp_path: Path) -> None:
    load_arrays(shards, 5, tmp_path / "cache", "key")
    for path in shards:
        path.unlink()
    assert load_arrays(shards, 5, tmp_path / "cache", "key").images[0].any()


@pytest.mark.parametrize("damage", ["zeros", "cut"])
def test_damaged_arrays_are_noticed_said_and_decoded_again(
    shards: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    load_arrays(shards, 5, tmp_path / "cache", "key")
    (decoded,) = (tmp_path / "cache").glob("*/images.npy")
    content = decoded.read_bytes()
    decoded.write_bytes(content[:200] + bytes(len(content) - 200) if damage == "zeros" else content[:-100])

    again = load_arrays(shards, 5, tmp_path / "cache", "key")

    np.testing.assert_array_equal(again.images[4], drawn_image(4).rgb)
    assert "damaged; decoding them again" in caplog.text


def test_asking_for_more_than_there_is_says_so(shards: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="7 images asked for, the 2 shards given hold 6"):
        load_arrays(shards, 7, tmp_path / "cache", "key")


@pytest.fixture
def labelled_shards(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{k}.parquet" for k in range(2)]
    for number, path in enumerate(paths):
        write_shard(path, [fully_labelled(3 * number + k) for k in range(3)], classes=5)
    return paths


def test_every_label_comes_back(labelled_shards: list[Path]) -> None:
    for number, image in enumerate(read_shard(labelled_shards[1])):
        wanted = fully_labelled(3 + number)
        assert (image.poses, image.camera, image.target) == (wanted.poses, wanted.camera, 3)
        for name in ("semantic", "normals", "depth"):
            np.testing.assert_array_equal(getattr(image, name), getattr(wanted, name))


def test_label_arrays_hold_the_first_n_images(labelled_shards: list[Path], tmp_path: Path) -> None:
    labels = ("boxes", "instances", "objects", "semantic", "normals", "depth", "targets")
    arrays = load_arrays(labelled_shards, 5, tmp_path / "cache", "key", labels)
    wanted = fully_labelled(4)
    for name in ("semantic", "normals", "depth"):
        np.testing.assert_array_equal(getattr(arrays, name)[4], getattr(wanted, name))
    # what is too small to be listed has no mask either
    assert arrays.instances is not None
    np.testing.assert_array_equal(arrays.instances[4], np.where(wanted.instances == 1, 1, 0))
    # and beside each object's number is its class
    assert arrays.objects is not None
    listed = wanted.instances == 1
    np.testing.assert_array_equal(arrays.objects[4], np.stack([listed * 1, listed * 3], axis=-1))
    assert arrays.boxes is not None
    assert arrays.targets is not None
    assert arrays.targets.tolist() == [3] * 5
    # image, class, box: one listed object an image
    assert arrays.boxes.tolist() == [[k, 3, 4 + k, 2, 9 + k, 8] for k in range(5)]


def test_a_label_that_was_not_rendered_is_refused(shards: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.parquet was rendered without semantic_png"):
        load_arrays(shards, 5, tmp_path / "cache", "key", ("semantic",))
    with pytest.raises(ValueError, match=r"a\.parquet was rendered without target"):
        load_arrays(shards, 5, tmp_path / "cache", "key", ("targets",))
    with pytest.raises(ValueError, match="unknown label 'flow'"):
        load_arrays(shards, 5, tmp_path / "cache", "key", ("flow",))


def test_images_are_found_by_number_and_a_prefix_is_a_view(shards: list[Path]) -> None:
    view = ImageView(shards, per_shard=3, n=5)
    assert [image.index for image in view] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(view[4].rgb, drawn_image(4).rgb)
    assert len(view[:2]) == 2
    with pytest.raises(IndexError):
        view[5]
    with pytest.raises(ValueError, match="7 images asked for"):
        ImageView(shards, per_shard=3, n=7)


def test_only_the_shard_that_holds_an_image_is_read(shards: list[Path]) -> None:
    # given a damaged first shard, when an image of the second is asked for, then it comes; one of the first is refused
    shards[0].write_bytes(shards[0].read_bytes()[:-100])
    view = ImageView(shards, per_shard=3, n=6)
    assert view[3].index == 3
    with pytest.raises(CorruptShardError):
        view[0]


def test_the_contact_sheet_draws_every_image(shards: list[Path]) -> None:
    sheet = contact_sheet(read_shard(shards[0]), ["a", "b", "c", "d", "e"], columns=2)
    assert sheet.size == (484, 324)
    # the third image is in the second row, the fourth place stays empty
    assert len(set(sheet.crop((0, 164, 160, 324)).get_flattened_data())) > 10
    assert set(sheet.crop((244, 164, 484, 324)).get_flattened_data()) == {(255, 255, 255)}
    with pytest.raises(ValueError, match="0 images"):
        contact_sheet([], ["a"])


def test_settings_stand_side_by_side(labelled_shards: list[Path]) -> None:
    images = read_shard(labelled_shards[0])
    sheet = side_by_side({"one": (images, list("abcde")), "two": (images[:1], list("abcde"))}, rows=2)
    assert sheet.size == (484, 340)
    # masks and normals are drawn beside the image, and the second setting has one image only
    assert len(set(sheet.crop((160, 16, 240, 96)).get_flattened_data())) == 3
    assert len(set(sheet.crop((160, 96, 240, 176)).get_flattened_data())) > 2
    assert set(sheet.crop((244, 180, 484, 340)).get_flattened_data()) == {(255, 255, 255)}


def test_a_second_process_waits_for_the_first_ones_work(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a decoding that takes its time, asked for by two at once
    done: list[int] = []
    plain = arrays_module._decode_into

    def slowly(*arguments: Any) -> None:
        done.append(1)
        time.sleep(0.2)
        plain(*arguments)

    monkeypatch.setattr(arrays_module, "_decode_into", slowly)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: load_arrays(shards, 5, tmp_path / "cache", "key"), range(2)))

    # then it is done once, and no lock is left
    assert len(done) == 1
    np.testing.assert_array_equal(both[0].images, both[1].images)
    assert len(list((tmp_path / "cache").iterdir())) == 1
