"""Real data: found in the stated order, decoded once, drawn fairly; what is missing or broken is named."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.base import ArraySet
from tasks.data import clothing, fashion_mnist
from tasks.data.catalogue import RealData, RealSet
from tasks.data.sampling import folds, subset


def _write_idx(file: Path, array: np.ndarray) -> None:
    header = np.array([0x800 + array.ndim, *array.shape], dtype=">u4").tobytes()
    file.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def write_fashion_mnist(folder: Path, brightness: int) -> Path:
    """Twenty and ten grey images, all of one brightness."""
    folder.mkdir(parents=True)
    for prefix, count in (("train", 20), ("t10k", 10)):
        _write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", np.full((count, 28, 28), brightness))
        _write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return folder


def write_photographs(folder: Path, *, splits: tuple[str, ...] = ("train", "test"), per_class: int = 3) -> Path:
    """Two classes: left half white, or right half white; 40 x 24 pixels."""
    for split in splits:
        for name, half in (("left", slice(0, 20)), ("right", slice(20, 40))):
            (folder / split / name).mkdir(parents=True)
            for index in range(per_class):
                pixels = np.zeros((24, 40, 3), dtype=np.uint8)
                pixels[:, half] = 255
                Image.fromarray(pixels).save(folder / split / name / f"{index}.png")
    return folder


def whole_sha256(real: RealData) -> str:
    """The hash of a set of which all training images are drawn."""
    return real.sha256(np.arange(len(real.training)))


def test_fashion_mnist_in_data_root_comes_before_the_package(tmp_path: Path) -> None:
    own = write_fashion_mnist(tmp_path / "data" / "fashion-mnist", brightness=50)
    package = write_fashion_mnist(tmp_path / "package", brightness=200)

    assert fashion_mnist.find(tmp_path / "data", tmp_path, package=package)[0] == own
    assert fashion_mnist.find(own, tmp_path, package=package)[0] == own
    assert fashion_mnist.find(None, tmp_path, package=package)[0] == package
    assert "package dataset-fashion-mnist" in fashion_mnist.find(None, tmp_path, package=package)[1]


def test_fashion_mnist_is_padded_at_32_pixels_and_resized_at_64(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path / "fashion-mnist", brightness=50)

    padded = RealSet("fashion-mnist", tmp_path, 32, cache_dir=tmp_path / "cache").load()
    resized = RealSet("fashion-mnist", tmp_path, 64, cache_dir=tmp_path / "cache").load()

    assert padded.train.images.shape == (20, 32, 32, 3)
    assert padded.train.images[0, 0, 0].tolist() == [0, 0, 0]
    assert padded.train.images[0, 2, 2].tolist() == [50, 50, 50]
    assert resized.test.images.shape == (10, 64, 64, 3)
    assert np.unique(resized.test.images).tolist() == [50]
    assert padded.train.labels[:3].tolist() == [0, 1, 2]


def test_a_file_missing_from_a_users_own_copy_is_named_rather_than_passed_over(tmp_path: Path) -> None:
    own = write_fashion_mnist(tmp_path / "data" / "fashion-mnist", brightness=50)
    package = write_fashion_mnist(tmp_path / "package", brightness=200)
    (own / "t10k-labels-idx1-ubyte.gz").unlink()

    with pytest.raises(FileNotFoundError, match=r"lacks t10k-labels-idx1-ubyte\.gz"):
        fashion_mnist.find(tmp_path / "data", tmp_path, package=package)


def test_a_damaged_idx_file_is_named(tmp_path: Path) -> None:
    broken = write_fashion_mnist(tmp_path / "fashion-mnist", brightness=50) / "train-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:-20])

    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz"):
        RealSet("fashion-mnist", tmp_path, 32, cache_dir=tmp_path / "cache").load()
    assert not list((tmp_path / "cache" / "decoded").iterdir()), "a failed decoding must leave nothing behind"


def test_photographs_are_cropped_in_the_centre_and_labelled_by_folder(tmp_path: Path) -> None:
    write_photographs(tmp_path / "photos")

    data = RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load()

    assert data.train.class_names == ("left", "right")
    assert data.train.images.shape == (6, 12, 12, 3)
    left = data.train.images[data.train.labels == 0]
    assert left[:, :, :5].min() > 200
    assert left[:, :, 7:].max() < 50


def test_a_second_load_reads_the_decoded_copy_and_a_changed_photograph_is_decoded_again(tmp_path: Path) -> None:
    photos = write_photographs(tmp_path / "photos")
    RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load()
    RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load()
    assert len(list((tmp_path / "cache" / "decoded").iterdir())) == 1

    Image.new("RGB", (30, 30), (9, 9, 9)).save(photos / "train" / "left" / "0.png")
    data = RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load()

    assert data.train.images[0].max() == 9


def test_photographs_that_changed_places_are_decoded_again_though_sizes_and_times_are_equal(tmp_path: Path) -> None:
    # given two bitmaps of one size, written at one time
    photos = write_photographs(tmp_path / "photos") / "train"
    left, right, aside = photos / "left" / "9.bmp", photos / "right" / "9.bmp", tmp_path / "aside.bmp"
    for file, value in ((left, 1), (right, 2)):
        Image.new("RGB", (30, 30), (value, value, value)).save(file)
        os.utime(file, (10**9, 10**9))
    before = whole_sha256(RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load())

    left.rename(aside)
    right.rename(left)
    aside.rename(right)

    assert whole_sha256(RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load()) != before


def test_the_hash_tells_photographs_apart_and_not_where_they_lie(tmp_path: Path) -> None:
    here, there = write_photographs(tmp_path / "here" / "photos"), tmp_path / "there" / "moved"
    shutil.copytree(here, there)

    def sha256(folder: Path) -> str:
        return whole_sha256(RealSet(f"imagefolder:{folder}", None, 12, cache_dir=tmp_path / "cache").load())

    before = sha256(here)
    assert sha256(there) == before

    (here / "train" / "left" / "0.png").rename(here / "train" / "right" / "moved.png")
    assert sha256(here) != before, "another label"
    Image.new("RGB", (30, 30), (9, 9, 9)).save(there / "train" / "left" / "0.png")
    assert sha256(there) != before, "other pixels"


def test_a_damaged_decoded_copy_is_noticed_said_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_fashion_mnist(tmp_path / "fashion-mnist", brightness=50)
    sound = RealSet("fashion-mnist", tmp_path, 32, cache_dir=tmp_path / "cache").load()
    (copy,) = (tmp_path / "cache" / "decoded").glob("*/train.npy")
    content = bytearray(copy.read_bytes())
    content[-1] ^= 255
    copy.write_bytes(content)

    again = RealSet("fashion-mnist", tmp_path, 32, cache_dir=tmp_path / "cache").load(verify=True)

    assert "damaged; decoding them again" in caplog.text
    assert whole_sha256(again) == whole_sha256(sound)
    assert again.train.images[-1, -1, -1, -1] != content[-1]


def test_what_a_killed_decoding_left_is_removed_by_the_next(tmp_path: Path) -> None:
    write_photographs(tmp_path / "photos")
    RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load()
    (decoded,) = (tmp_path / "cache" / "decoded").iterdir()
    abandoned, under_way = (decoded.with_name(f".{decoded.name}-{end}") for end in ("old", "new"))
    for folder in (abandoned, under_way):
        folder.mkdir()
    os.utime(abandoned, (0, 0))
    shutil.rmtree(decoded)

    RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load()

    assert not abandoned.exists()
    assert under_way.exists()


def test_val_is_the_test_split_where_there_is_no_test_folder(tmp_path: Path) -> None:
    write_photographs(tmp_path / "photos", splits=("train", "val"))

    assert len(RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load().test) == 6


def test_an_unreadable_photograph_is_named(tmp_path: Path) -> None:
    photos = write_photographs(tmp_path / "photos")
    (photos / "train" / "right" / "1.png").write_bytes(b"not a picture")

    photographs = RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load().training
    with pytest.raises(ValueError, match=r"right/1\.png cannot be read"):
        photographs.decode(np.arange(len(photographs)))


def test_a_truncated_photograph_is_named(tmp_path: Path) -> None:
    broken = write_photographs(tmp_path / "photos") / "test" / "left" / "2.png"
    broken.write_bytes(broken.read_bytes()[:60])

    photographs = RealSet("imagefolder:photos", tmp_path, 12, cache_dir=tmp_path / "cache").load().testing
    with pytest.raises(ValueError, match=r"left/2\.png cannot be read"):
        photographs.decode(np.arange(len(photographs)))


@pytest.mark.parametrize(
    ("name", "root", "message"),
    [
        ("fashion-mnist", "nowhere", "data_root .*nowhere is not a folder"),
        ("imagefolder:nowhere", "", r"nowhere is not there; give a folder of CLASS/FILE"),
    ],
)
def test_a_missing_folder_says_what_was_looked_for(tmp_path: Path, name: str, root: str, message: str) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        RealSet(name, tmp_path / root, 32, cache_dir=tmp_path / "cache").load()


def test_a_folder_without_a_data_root_says_that_there_is_none() -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is no folder and no data_root was given; add it"):
        RealSet("masks:nowhere", None, 32, kind="semantic").load()


def test_an_unknown_data_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="known data sets: fashion-mnist, clothing, camvid, imagenet, coco"):
        RealSet("mnist", None, 32, cache_dir=tmp_path).load()


def _git(folder: Path, *arguments: str) -> str:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **who})
    return done.stdout.strip()


def test_a_fetch_gives_exactly_the_commit_asked_for_or_nothing(tmp_path: Path) -> None:
    source = write_photographs(tmp_path / "source")
    _git(source, "init", "--quiet")
    _git(source, "add", ".")
    _git(source, "commit", "--quiet", "-m", "photographs")
    wanted = _git(source, "rev-parse", "HEAD")
    (source / "train" / "left" / "0.png").write_bytes(b"changed later")
    _git(source, "commit", "--quiet", "-am", "changed")

    clothing.fetch_commit(str(source), wanted, tmp_path / "copy")

    assert (tmp_path / "copy" / "train" / "left" / "0.png").read_bytes() != b"changed later"
    with pytest.raises(subprocess.SubprocessError):
        clothing.fetch_commit(str(source), "1" * 40, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def _labelled(counts: list[int]) -> ArraySet:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), 8, 8, 3), dtype=np.uint8)
    return ArraySet(images, labels, tuple("abcdefgh"[: len(counts)]))


def test_a_subset_is_class_balanced_and_smaller_draws_begin_larger_ones() -> None:
    data = _labelled([40, 10, 30])
    large, small = subset(data, count=60, seed=1), subset(data, count=16, seed=1)

    assert np.array_equal(small, large[:16])
    assert len(set(large.tolist())) == 60
    assert sorted(np.bincount(data.labels[small]).tolist()) == [5, 5, 6]
    assert np.bincount(data.labels[large]).tolist() == [25, 10, 25]


def test_another_seed_draws_other_images_and_a_fraction_is_of_the_whole_set() -> None:
    data = _labelled([40, 40])

    assert set(subset(data, count=20, seed=1).tolist()) != set(subset(data, count=20, seed=2).tolist())
    assert len(subset(data, fraction=0.25, seed=1)) == 20


@pytest.mark.parametrize("count", [0, 81])
def test_a_subset_larger_than_the_set_or_empty_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} images were asked for, the set has 80"):
        subset(_labelled([40, 40]), count=count, seed=0)


def test_folds_hold_each_image_out_once_with_every_class_in_each() -> None:
    data = _labelled([40, 40, 40])
    chosen = subset(data, count=30, seed=0)

    parts = folds(chosen, data.labels, 5, seed=0)

    assert sorted(np.concatenate([held_out for _, held_out in parts]).tolist()) == sorted(chosen.tolist())
    for kept, held_out in parts:
        assert not set(kept.tolist()) & set(held_out.tolist())
        assert np.bincount(data.labels[held_out]).tolist() == [2, 2, 2]


@pytest.mark.data
def test_the_clothing_photographs_load_from_data_root(tmp_path: Path) -> None:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set, so there are no photographs to read")

    data = RealSet("clothing", root, 32, cache_dir=tmp_path).load()

    assert len(data.train) > 3000
    assert len(data.train.class_names) == 10
    assert 60 < data.train.images[:100].mean() < 230
