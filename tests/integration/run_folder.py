"""What a sweep left, read from its files as a user would: tables, decisions, artifacts."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

# One fine-tune on the test split: arm, n, seed, repeat.
RowKey = tuple[str, int, int, int]


def rows(run: Path) -> list[dict[str, Any]]:
    """Every row of the results table."""
    return [row for part in sorted((run / "results").glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


def errors(run: Path) -> dict[RowKey, float]:
    """The error of each fine-tune on the test split."""
    return {(r["arm"], r["n"], r["seed"], r["repeat"]): r["error"] for r in rows(run) if r["split"] == "test"}


def table(run: Path, name: str) -> list[dict[str, str]]:
    """One of the report's CSV tables."""
    with (run / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def lines(path: Path) -> list[dict[str, Any]]:
    """A file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def content(*paths: Path) -> dict[str, str]:
    """A checksum of every file, those in folders included."""
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}


@dataclass(frozen=True)
class Artifact:
    """A stored artifact: its manifest, and when its folder last changed."""

    manifest: dict[str, Any]
    folder: Path
    changed_ns: int

    def file(self, name: str) -> Path:
        """One of its files."""
        return self.folder / self.manifest["attempt"] / name


def artifacts(store: Path, stage: str) -> dict[str, Artifact]:
    """The finished artifacts of a stage, by key."""
    found = {}
    for path in sorted((store / stage).glob("*/manifest.json")):
        found[path.parent.name] = Artifact(json.loads(path.read_text()), path.parent, path.parent.stat().st_mtime_ns)
    return found


def all_artifacts(store: Path) -> dict[str, Artifact]:
    """The finished artifacts of all stages."""
    return {key: a for stage in ("render", "pretrain", "finetune") for key, a in artifacts(store, stage).items()}


def flip_a_byte(path: Path) -> None:
    """Damage a file in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
