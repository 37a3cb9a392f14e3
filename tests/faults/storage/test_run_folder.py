"""A run folder on storage: what was written is there before anything follows from it, whichever machine looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.budget.costs import Cost
from sweeper.budget.ledger import Ledger
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.storage import filesystem, lease, uris
from sweeper.storage.filesystem import StorageError
from sweeper.storage.run_folder import fetched_run_folder, locked_run_folder, sync
from sweeper.study import results
from tests.faults.storage.s3_server import S3Server
from tests.sweeper.examples import STUDIES, STUDY, row


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(lease, "LEASE_S", 6.0)


def move_to(monkeypatch: pytest.MonkeyPatch, disk: Path) -> None:
    """Be another machine: its disk is empty."""
    disk.mkdir()
    monkeypatch.setattr(uris.tempfile, "gettempdir", lambda: str(disk))


def test_another_machine_goes_on_with_ledger_and_results(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a sweep that has reserved, spent and observed
    move_to(monkeypatch, tmp_path / "first")
    with locked_run_folder(s3.uri("runs/x")) as folder:
        ledger = Ledger(folder / "ledger.jsonl", STUDY.budget)
        ledger.start()
        reserved = ledger.reserve("a run", {"finetune": (Cost(1, 1, 2.0), 1), "render": (Cost(1, 1, 4.0), 10)})
        assert reserved is not None
        ledger.settle(reserved["finetune"], Cost(1, 1, 1.5), 1)
        results.write(folder / "results", row(seed=0))
        results.write(folder / "results", row(seed=1))

    # when another machine goes on
    move_to(monkeypatch, tmp_path / "second")
    with locked_run_folder(s3.uri("runs/x")) as folder:
        assert folder.is_relative_to(tmp_path / "second")
        again = Ledger(folder / "ledger.jsonl", STUDY.budget)

        # then it knows what was spent, what was under way, and what was observed
        assert again.spent().usd == pytest.approx(1.5)
        assert again.reserved().usd == pytest.approx(4.0)
        assert results.read(folder / "results", STUDIES) == [row(seed=0), row(seed=1)]


def test_a_reservation_that_cannot_be_written_down_is_none(s3: S3Server) -> None:
    with locked_run_folder(s3.uri("runs/x")) as folder:
        ledger = Ledger(folder / "ledger.jsonl", STUDY.budget)
        ledger.start()
        s3.fail("broken", method="PUT", path="ledger.jsonl")

        with pytest.raises(StorageError, match=r"ledger\.jsonl: cannot be written"):
            ledger.reserve("a run", {"finetune": (Cost(1, 1, 2.0), 1)})
        s3.mend()


def test_what_a_machine_knew_before_gives_way_to_what_is_on_storage(s3: S3Server) -> None:
    with locked_run_folder(s3.uri("runs/x")) as folder:
        Ledger(folder / "ledger.jsonl", STUDY.budget).start()
        kept = (folder / "ledger.jsonl").read_text()
    (folder / "ledger.jsonl").write_text("what a dead driver could not send\n")
    (folder / "results").mkdir()
    (folder / "results" / "stray.parquet").write_bytes(b"of another time")

    with locked_run_folder(s3.uri("runs/x")) as folder:
        assert (folder / "ledger.jsonl").read_text() == kept
        assert not (folder / "results" / "stray.parquet").exists()


def test_looking_at_a_run_disturbs_neither_its_driver_nor_its_files(s3: S3Server) -> None:
    with locked_run_folder(s3.uri("runs/x")) as folder:
        (folder / "config.yaml").write_text(STUDY.to_yaml())
        sync(folder / "config.yaml")
        before = s3.objects()

        shown = fetched_run_folder(s3.uri("runs/x"))

        assert shown != folder
        assert (shown / "config.yaml").read_text() == STUDY.to_yaml()
        assert s3.objects() == before


def test_looking_where_nothing_is_says_so(s3: S3Server) -> None:
    with pytest.raises(BadInput, match=r"s3://sweeps/runs/none: not a run folder"):
        fetched_run_folder(s3.uri("runs/none"))


def test_looking_at_a_storage_that_cannot_be_read_is_the_user_s_to_mend(s3: S3Server) -> None:
    s3.fail("expired")

    with pytest.raises(BadInput, match="the credentials have expired: renew them"):
        fetched_run_folder(s3.uri("runs/x"))


def test_a_run_folder_on_a_local_disk_is_used_as_it_is(tmp_path: Path) -> None:
    with locked_run_folder(str(tmp_path / "run")) as folder:
        assert folder == tmp_path / "run"
    assert SweepConfig.model_validate(STUDY.model_dump() | {"output": str(tmp_path)}).run_folder == tmp_path
