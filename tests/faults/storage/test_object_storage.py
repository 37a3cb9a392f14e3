"""The artifact store on object storage: what S3 does on a bad day, and what is left of it."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import pytest

from sweeper.errors import BadInput
from sweeper.storage import filesystem
from sweeper.storage.artifacts import ArtifactStore, CorruptArtifactError
from sweeper.storage.filesystem import RetryingFileSystem, StorageError
from tests.faults.storage.s3_server import Kind, S3Server

IDENTITY = {"stage": "pretrain", "n": 200}
MODEL = bytes(range(256)) * 64


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tries, with shorter waits between them."""
    monkeypatch.setattr(filesystem, "FIRST_WAIT_S", 0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.pt").write_bytes(MODEL)
    return made


def store_on(s3: S3Server, disk: Path) -> ArtifactStore:
    """The store as a machine with this disk sees it."""
    return ArtifactStore(s3.uri("store"), str(disk))


def test_another_machine_with_an_empty_disk_finds_and_reads_what_was_committed(
    s3: S3Server, folder: Path, tmp_path: Path
) -> None:
    committed = store_on(s3, tmp_path / "here").commit(IDENTITY, folder, {"metric": 0.75})

    there = pickle.loads(pickle.dumps(store_on(s3, tmp_path / "there")))
    found = there.find_sound(IDENTITY)

    assert found == committed
    assert there.path(found, "model.pt").read_bytes() == MODEL
    assert there.path(found, "model.pt").is_relative_to(tmp_path / "there")
    assert there.find(IDENTITY | {"n": 400}) is None


def test_looking_for_an_artifact_fetches_none_of_its_files(s3: S3Server, folder: Path, tmp_path: Path) -> None:
    store_on(s3, tmp_path / "here").commit(IDENTITY, folder)
    s3.requests.clear()

    assert store_on(s3, tmp_path / "there").find_sound(IDENTITY) is not None

    assert not [path for method, path, _ in s3.requests if method == "GET" and path.endswith("model.pt")]


@pytest.mark.parametrize("kind", ["throttled", "broken"])
def test_a_storage_that_throttles_or_breaks_for_a_while_is_waited_for(
    s3: S3Server, folder: Path, tmp_path: Path, kind: Kind
) -> None:
    fault = s3.fail(kind, times=8)

    committed = store_on(s3, tmp_path / "here").commit(IDENTITY, folder)

    assert fault.met == 8
    assert store_on(s3, tmp_path / "there").find_sound(IDENTITY) == committed


def test_a_storage_that_stays_broken_ends_in_one_line_after_a_bounded_number_of_tries(
    s3: S3Server, folder: Path, tmp_path: Path
) -> None:
    store = store_on(s3, tmp_path / "here")
    fault = s3.fail("throttled")

    with pytest.raises(StorageError, match=r"s3://sweeps/store/.* after 6 tries: .*") as raised:
        store.commit(IDENTITY, folder)

    assert "\n" not in str(raised.value)
    assert "endpoint_override" not in str(raised.value)
    assert 6 <= fault.met <= 60


def test_an_upload_that_is_cut_is_sent_again_whole(s3: S3Server, folder: Path, tmp_path: Path) -> None:
    fault = s3.fail("cut", times=2, method="PUT", path="model.pt")

    committed = store_on(s3, tmp_path / "here").commit(IDENTITY, folder)

    assert fault.met == 2
    there = store_on(s3, tmp_path / "there")
    assert there.path(committed, "model.pt").read_bytes() == MODEL


def test_an_upload_that_never_succeeds_leaves_no_artifact_behind(s3: S3Server, folder: Path, tmp_path: Path) -> None:
    s3.fail("cut", method="PUT", path="model.pt")
    with pytest.raises(StorageError, match=r"model\.pt: cannot be written after 6 tries"):
        store_on(s3, tmp_path / "here").commit(IDENTITY, folder)
    s3.mend()

    there = store_on(s3, tmp_path / "there")
    assert there.find(IDENTITY) is None
    # and what is left of it is in nobody's way
    assert there.find_sound(IDENTITY | {"n": 1}) is None
    assert there.commit(IDENTITY, folder) == there.find_sound(IDENTITY)


def test_expired_credentials_are_said_at_once_and_not_tried_again(s3: S3Server, folder: Path, tmp_path: Path) -> None:
    store = store_on(s3, tmp_path / "here")
    fault = s3.fail("expired")

    began = time.monotonic()
    with pytest.raises(StorageError, match="the credentials have expired: renew them"):
        store.commit(IDENTITY, folder)

    assert fault.met == 1
    assert time.monotonic() - began < 5
    with pytest.raises(BadInput, match=r"cannot be opened for writing: .*: renew "):
        store.make_root()


def test_a_bucket_that_does_not_exist_is_refused_in_one_line(s3: S3Server) -> None:
    missing = ArtifactStore(s3.uri("store").replace("sweeps", "no-such-bucket"))

    with pytest.raises(BadInput, match=r"s3://no-such-bucket/store: .*there is no such bucket"):
        missing.make_root()


def test_bytes_that_changed_on_the_storage_are_found_before_they_are_read(
    s3: S3Server, folder: Path, tmp_path: Path
) -> None:
    store_on(s3, tmp_path / "here").commit(IDENTITY, folder)
    (key,) = (key for key in s3.objects() if key.endswith("model.pt"))
    s3.put(key, b"x" + MODEL[1:])

    there = store_on(s3, tmp_path / "there")
    found = there.find_sound(IDENTITY)
    assert found is not None, "its sizes are right"
    with pytest.raises(CorruptArtifactError, match=r"model\.pt does not match its checksum"):
        there.path(found, "model.pt")

    assert there.find(IDENTITY) is None
    assert there.commit(IDENTITY, folder).files == found.files


def test_a_file_cut_short_on_the_storage_is_found_without_reading_it(
    s3: S3Server, folder: Path, tmp_path: Path
) -> None:
    store_on(s3, tmp_path / "here").commit(IDENTITY, folder)
    (key,) = (key for key in s3.objects() if key.endswith("model.pt"))
    s3.put(key, MODEL[:100])

    assert store_on(s3, tmp_path / "there").find_sound(IDENTITY) is None


def test_what_a_user_may_see_of_a_uri_holds_no_keys() -> None:
    uri = "s3://key:secret@sweeps/store?endpoint_override=127.0.0.1:1&scheme=http"

    assert RetryingFileSystem(uri).redacted == "s3://sweeps/store"


def test_a_small_file_is_replaced_whole(s3: S3Server) -> None:
    place = RetryingFileSystem(s3.uri("run"))
    place.write("ledger.jsonl", b"one\n")
    s3.fail("cut", times=1, method="PUT")

    place.write("ledger.jsonl", b"one\ntwo\n")

    assert place.read("ledger.jsonl") == b"one\ntwo\n"
    assert [entry.name for entry in place.entries()] == ["ledger.jsonl"]
