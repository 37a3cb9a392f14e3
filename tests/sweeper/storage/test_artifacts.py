"""The store: whole artifacts or none, damage found before it is read, the same identity always the same key."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import BadInput
from sweeper.storage.artifacts import MANIFEST, ArtifactStore, CorruptArtifactError, Manifest, artifact_key

IDENTITY = {"stage": "pretrain", "n": 200, "recipe": {"lr": 0.002}}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.pt").write_bytes(bytes(range(256)))
    (made / "notes.txt").write_text("best at step 40")
    return made


def fresh(store: ArtifactStore) -> ArtifactStore:
    """The store as another process sees it: nothing verified yet."""
    return ArtifactStore(store.uri)


def manifest_file(store: ArtifactStore, manifest: Manifest) -> Path:
    return Path(store.uri) / manifest.stage / manifest.key / MANIFEST


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_what_was_committed_is_found_with_its_files_and_measurements(store: ArtifactStore, folder: Path) -> None:
    committed = store.commit(IDENTITY, folder, {"metric": 0.75})

    found = fresh(store).find(IDENTITY)

    assert found == committed
    assert found is not None
    assert (found.stage, found.metrics) == ("pretrain", {"metric": 0.75})
    assert store.path(found, "model.pt").read_bytes() == bytes(range(256))
    assert store.path(found, "notes.txt").read_text() == "best at step 40"


def test_an_identity_that_was_never_committed_is_not_found(store: ArtifactStore, folder: Path) -> None:
    store.commit(IDENTITY, folder)

    assert store.find(IDENTITY | {"n": 400}) is None


def test_files_without_a_manifest_are_nothing(store: ArtifactStore, folder: Path) -> None:
    """A process killed after its upload and before its manifest leaves this."""
    manifest_file(store, store.commit(IDENTITY, folder)).unlink()

    assert store.find(IDENTITY) is None
    assert store.find_sound(IDENTITY) is None


def test_a_flipped_byte_is_found_before_the_file_is_read(store: ArtifactStore, folder: Path) -> None:
    committed = store.commit(IDENTITY, folder)
    flip(store.path(committed, "model.pt"), 100)

    with pytest.raises(CorruptArtifactError, match=r"pretrain/.*: model\.pt does not match its checksum"):
        fresh(store).path(committed, "model.pt")
    assert store.find(IDENTITY) is None


def test_a_damaged_artifact_is_withdrawn_and_can_be_made_again(store: ArtifactStore, folder: Path) -> None:
    committed = store.commit(IDENTITY, folder)
    flip(store.path(committed, "notes.txt"), 0)

    assert fresh(store).find_sound(IDENTITY) is None

    again = store.commit(IDENTITY, folder)
    assert again.attempt != committed.attempt
    assert fresh(store).find_sound(IDENTITY) == again


def test_a_file_that_is_gone_counts_as_damage(store: ArtifactStore, folder: Path) -> None:
    committed = store.commit(IDENTITY, folder)
    store.path(committed, "model.pt").unlink()

    assert fresh(store).find_sound(IDENTITY) is None


@pytest.mark.parametrize("damage", [b"", b'{"key": "ab', b"[]", b'{"key": "ab"}', b"\xff\xfe"])
def test_a_damaged_manifest_is_withdrawn(store: ArtifactStore, folder: Path, damage: bytes) -> None:
    committed = store.commit(IDENTITY, folder)
    manifest_file(store, committed).write_bytes(damage)

    assert store.find(IDENTITY) is None
    assert not manifest_file(store, committed).exists()
    assert store.commit(IDENTITY, folder).files == committed.files


def test_a_flipped_byte_anywhere_in_a_manifest_is_found_and_mended(store: ArtifactStore, folder: Path) -> None:
    """A fine-tune's whole result is the error in its manifest."""
    committed = store.commit(IDENTITY, folder, {"error": 0.25})
    whole = manifest_file(store, committed).read_bytes()
    for position in random.Random(0).sample(range(len(whole)), 60):
        flip(manifest_file(store, committed), position)
        found = fresh(store).find_sound(IDENTITY)
        assert found is None or found == committed, f"read a manifest with byte {position} flipped"
        committed = store.commit(IDENTITY, folder, {"error": 0.25})
        assert fresh(store).find_sound(IDENTITY) == committed, f"byte {position} flipped could not be mended"


def test_the_first_committer_wins_and_the_second_leaves_nothing(
    store: ArtifactStore, folder: Path, tmp_path: Path
) -> None:
    first = store.commit(IDENTITY, folder, {"metric": 0.5})
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.pt").write_bytes(b"made by a slower process")

    second = fresh(store).commit(IDENTITY, other, {"metric": 0.6})

    assert second == first
    assert store.path(second, "model.pt").read_bytes() == bytes(range(256))
    assert sorted(p.name for p in manifest_file(store, first).parent.iterdir()) == sorted([first.attempt, MANIFEST])


def test_a_store_travels_to_other_processes(store: ArtifactStore, folder: Path) -> None:
    committed = store.commit(IDENTITY, folder)

    there = pickle.loads(pickle.dumps(store))

    assert there.find_sound(IDENTITY) == committed


def test_a_store_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="file is a file, not a folder; give a folder"):
        ArtifactStore(str(tmp_path / "file" / "store"))


def test_who_only_looks_leaves_what_is_damaged(tmp_path: Path) -> None:
    # given an artifact with a flipped byte
    store, folder = ArtifactStore(str(tmp_path / "store")), tmp_path / "made"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    manifest = store.commit({"stage": "render", "what": 1}, folder)
    path = store.path(manifest, "file")
    path.write_bytes(b"Content")

    # when somebody looks who changes nothing, then it counts as missing, and is still there
    looking = ArtifactStore(str(tmp_path / "store"), look_only=True)
    assert looking.find_sound({"stage": "render", "what": 1}) is None
    assert path.exists()
    # and who works with it has it withdrawn
    assert ArtifactStore(str(tmp_path / "store")).find_sound({"stage": "render", "what": 1}) is None
    assert not path.exists()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-10, 10) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def reversed_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_order(value[key]) for key in reversed(value)}
    return [reversed_order(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=60, deadline=None)
@given(identity=st.dictionaries(st.text(max_size=5), VALUES, min_size=1, max_size=4), new=st.integers())
def test_a_key_tells_contents_apart_and_not_the_order_of_their_keys(identity: dict[str, Any], new: int) -> None:
    key = artifact_key(identity)

    assert artifact_key(reversed_order(identity)) == key
    for name in identity:
        assert artifact_key(identity | {name: {"was": identity[name], "now": new}}) != key
        assert artifact_key({k: v for k, v in identity.items() if k != name}) != key
