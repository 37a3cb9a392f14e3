"""Only what is drawn is decoded, once, whoever asks and whatever is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.data import image_folder
from tasks.data.cache.listing import Found, FoundSet, list_set, read_listing
from tasks.data.cache.split import Split
from tasks.data.catalogue import RealData, RealSet
from tasks.data.readers.splitting import Parting
from tasks.data.sampling import subset
from tasks.label_forms import LabelKind
from tests.tasks.data.photographs import class_folders, coco, maps, opened_files

ROOT = Path(__file__).parents[3]


def load(folder: Path, kind: LabelKind, name: str | None = None) -> RealData:
    layouts = {"class_index": "imagefolder", "semantic": "masks"}
    dataset = name or f"{layouts.get(kind, 'coco')}:set"
    return RealSet(dataset, folder, 16, kind=kind, cache_dir=folder / "cache").load()


@pytest.mark.parametrize(
    ("write", "kind", "balanced"),
    [
        (class_folders, "class_index", None),
        (coco, "boxes", None),
        (coco, "boxes", True),
        (coco, "instances", None),
        (coco, "class_set", True),
    ],
)
def test_a_hundredth_of_a_set_costs_a_hundredth_of_its_bytes(
    tmp_path: Path, write: Callable[..., Path], kind: LabelKind, balanced: bool | None
) -> None:
    # given 200 training images, when one in a hundred is drawn and looked at
    write(tmp_path / "set", train=200)
    with opened_files() as opened:
        real = load(tmp_path, kind)
        chosen = subset(real.training, fraction=0.01, seed=3, balanced=balanced)
        drawn = real.training.take(chosen)

    # then two files were decoded, and those are the images that the whole set has there
    assert len(opened) == len(chosen) == 2
    assert drawn.images[:, 0, 0, 0].tolist() == [int(file.stem) for file in sorted(opened, key=order_of(drawn.images))]
    (pixels,) = (tmp_path / "cache" / "decoded").glob("*/train-images.npy")
    assert pixels.stat().st_blocks * 512 < pixels.stat().st_size / 4, "the disk holds what is filled"

    # and the draw is the one that would be made of the decoded set
    whole = real.train
    assert np.array_equal(subset(whole, fraction=0.01, seed=3, balanced=balanced), chosen)
    assert np.array_equal(whole.images[chosen], drawn.images)
    assert np.array_equal(whole.labels[chosen], drawn.labels)


def order_of(images: np.ndarray) -> Callable[[Path], int]:
    reds = images[:, 0, 0, 0].tolist()
    return lambda file: reds.index(int(file.stem))


def test_a_balanced_draw_of_maps_reads_every_map_and_no_photograph(tmp_path: Path) -> None:
    maps(tmp_path / "set", train=60)
    with opened_files() as opened:
        real = load(tmp_path, "semantic")
        chosen = subset(real.training, count=6, seed=0, balanced=True)

    assert {file.parts[-3] for file in opened} == {"annotations"}
    assert real.training.class_names == ("0", "1", "2")
    # two of each class
    assert sorted(2 if k % 10 == 0 else k % 2 for k in chosen) == [0, 0, 1, 1, 2, 2]
    assert np.array_equal(subset(real.train, count=6, seed=0, balanced=True), chosen)


def test_draws_that_overlap_decode_no_photograph_twice(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", train=40)
    draws = [subset(load(tmp_path, "class_index").training, count=15, seed=seed) for seed in range(4)]
    with opened_files() as opened:
        taken = [load(tmp_path, "class_index").training.take(chosen) for chosen in draws]

    assert len(opened) == len(np.unique(draws)) < 4 * 15
    assert all((data.labels == data.images[:, 0, 0, 0] % 2).all() for data in taken)


# decodes `count` images of the set by seed, `pause` seconds each, and prints how many files that opened
DECODE = """
import sys, time
from pathlib import Path
from tasks.data.readers.splitting import Parting
from tasks.data.sampling import subset
from tests.tasks.data.photographs import opened_files
from tests.tasks.data.test_decoding import load
import tasks.data.image_folder as subject
folder, count, seed, pause = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
plain = subject.squared
subject.squared = lambda *a: (time.sleep(pause), plain(*a))[1]
real = load(folder, "class_index")
print("ready", flush=True)
with opened_files() as opened:
    data = real.training.take(subset(real.training, count=count, seed=seed))
assert (data.labels == data.images[:, 0, 0, 0] % 2).all()
print(len(opened))
"""


def decoding(folder: Path, count: int, seed: int, pause: float) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", DECODE, str(folder), str(count), str(seed), str(pause)]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_a_killed_process_decoded_stays_and_the_rest_is_decoded_by_the_next(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", train=120)
    real, every = load(tmp_path, "class_index"), np.arange(120)

    # given a process that is killed in the middle of its work
    killed = decoding(tmp_path, 120, 0, pause=0.05)
    limit = time.monotonic() + 60
    while real.training.missing(every) == 120 and time.monotonic() < limit:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    left = real.training.missing(every)
    assert 0 < left < 120

    # then the next one decodes what is left, and nothing else
    with opened_files() as opened:
        data = real.training.take(every)
    assert len(opened) == left
    assert sorted(data.images[:, 0, 0, 0].tolist()) == every.tolist()
    assert (data.labels == data.images[:, 0, 0, 0] % 2).all()


def test_two_processes_at_once_share_the_work(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", train=60)
    draws = [subset(load(tmp_path, "class_index").training, count=40, seed=seed) for seed in (1, 2)]

    both = [decoding(tmp_path, 40, seed, pause=0.01) for seed in (1, 2)]
    said = [process.communicate(timeout=120)[0].split() for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sum(int(words[-1]) for words in said) == len(np.unique(draws))


def test_a_photograph_that_changed_before_it_was_decoded_is_named(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", train=10)
    real = load(tmp_path, "class_index")
    Image.new("RGB", (9, 9)).save(folder / "train" / "class1" / "003.png")

    assert len(real.training.take(np.array([0, 1]))) == 2
    with pytest.raises(ValueError, match=r"train/class1/003\.png has changed since its set was listed; run the sweep"):
        real.training.decode(np.arange(10))


def test_a_damaged_image_is_decoded_again_when_it_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class_folders(tmp_path / "set", train=10)
    sound = load(tmp_path, "class_index").training.take(np.arange(10))
    (copy,) = (tmp_path / "cache" / "decoded").glob("*/train-images.npy")
    content = bytearray(copy.read_bytes())
    content[-1] ^= 255
    copy.write_bytes(content)

    with opened_files() as opened:
        again = load(tmp_path, "class_index").training.take(np.arange(10))

    assert len(opened) == 1
    assert "1 decoded images in" in caplog.text
    assert np.array_equal(again.images, sound.images)


def first_three(real: RealData) -> np.ndarray:
    return np.arange(3)


def test_a_pinned_set_is_found_by_its_hash_and_no_file_of_it_is_looked_at(tmp_path: Path) -> None:
    # given a set that a sweep pinned and decoded, and that has gone since
    class_folders(tmp_path / "set", train=10)
    real = load(tmp_path, "class_index")
    sha256 = real.sha256(first_three(real))
    RealSet("imagefolder:set", tmp_path, 16, cache_dir=tmp_path / "cache").pin(real, sha256)
    (tmp_path / "set").rename(tmp_path / "gone")

    # then it is there all the same, with what was decoded of it
    again = RealSet("imagefolder:set", tmp_path, 16, cache_dir=tmp_path / "cache").pinned(sha256, first_three)
    assert np.array_equal(again.training.take(np.arange(3)).images, real.training.take(np.arange(3)).images)
    assert len(again.test) == 2


def test_another_machine_lists_the_set_once_and_refuses_another(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", train=10)
    real = load(tmp_path, "class_index")
    sha256 = real.sha256(first_three(real))

    # given the same files and an empty cache, then the set is the same one, and is known from then on
    elsewhere = tmp_path / "other" / "cache"
    RealSet("imagefolder:set", tmp_path, 16, cache_dir=elsewhere).pinned(sha256, first_three)
    with opened_files() as opened:
        RealSet("imagefolder:set", tmp_path, 16, cache_dir=elsewhere).pinned(sha256, first_three)
    assert opened == []

    # given another photograph of the same size on disk among those drawn
    file = folder / "train" / "class0" / "000.png"
    size = file.stat().st_size
    for red in range(1, 256):
        Image.new("RGB", (16, 16), (red, 0, 0)).save(file)
        if file.stat().st_size == size:
            break
    with pytest.raises(ValueError, match="the images of imagefolder:set have changed since the sweep began"):
        RealSet("imagefolder:set", tmp_path, 16, cache_dir=tmp_path / "third").pinned(sha256, first_three)


def test_the_hash_covers_every_name_and_label_and_the_pixels_that_are_drawn(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", train=10)

    def sha256() -> str:
        real = load(tmp_path, "class_index")
        return real.sha256(first_three(real))

    before, photograph = sha256(), folder / "train" / "class1" / "009.png"
    os.utime(photograph, (1, 1))
    assert sha256() == before, "a copy has another time"
    photograph.rename(folder / "train" / "class0" / "009.png")
    assert sha256() != before, "another label, of an image that is not drawn"


@pytest.mark.slow
def test_a_set_of_a_million_photographs_is_opened_in_no_time(tmp_path: Path) -> None:
    count = 1_300_000
    items = [f"train/n{k % 1000:08d}/n{k % 1000:08d}_{k}.JPEG" for k in range(count)]
    labels = np.arange(count) % 1000
    found = Found(items, [()] * count, labels), Found(items[:100], [()] * 100, labels[:100])
    names = tuple(map(str, range(1000)))
    sets = FoundSet(dict(zip(("train", "test"), found, strict=True)), names)
    parting = Parting(None, 0, tmp_path / "cache")
    name = list_set(tmp_path, tmp_path / "cache", ("a test",), lambda: sets).name
    reader = image_folder.reader(224, "crop", parting)
    Split("train", reader, read_listing(tmp_path / "cache", name), tmp_path / "cache")

    started = time.process_time()
    training = Split("train", reader, read_listing(tmp_path / "cache", name), tmp_path / "cache")
    opened = time.process_time()
    chosen = subset(training, fraction=0.01, seed=0)
    drawn = time.process_time()

    print(f"opened in {opened - started:.3f} s, drawn in {drawn - opened:.3f} s")
    assert opened - started < 0.3
    assert drawn - opened < 2
    assert len(chosen) == 13_000
    assert training.missing(chosen) == 13_000
