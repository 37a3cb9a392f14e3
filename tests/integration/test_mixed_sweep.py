"""A real sweep with mixed training beside pre-train-then-fine-tune, on folders of small pictures; no Blender."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.integration.command_line import place
from tests.integration.run_folder import rows
from tests.sweeper.commands.own_folders import class_folders

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SIZES = (16, 32, 48)


def test_mixed_arms_run_beside_the_others_and_the_report_compares_them(tmp_path: Path) -> None:
    # given folders of renders and photographs, and a small grid with a mixed arm
    class_folders(tmp_path / "renders", ["."], 40)
    class_folders(tmp_path / "photos", ["train", "test"], 12)
    steps = {"iterations": 20, "batch_size": 16, "warmup_images": 0}
    sweep = {
        "name": "mixed",
        "renderings": {"renders": {"source": {"kind": "imagefolder", "path": str(tmp_path / "renders")}}},
        "render": {"resolution": 32, "poses_per_scene": 4, "scenes_per_shard": 4, "actors": 1},
        "pretrain": {"tasks": ["mulclass"], "workers": 1, "validation_images": 8, "recipe": steps | {"eval_every": 10}},
        "finetune": {
            "dataset": f"imagefolder:{tmp_path / 'photos'}",
            "repeats": 1,
            "recipe": steps,
            "mix": {"share": 0.5},
        },
        "tune": {"trials": 0},
        "ladder": {"sizes": list(SIZES)},
        "policy": {"name": "grid", "reference_seeds": 1, "max_seeds": 1},
        "budget": {"minutes": 20},
    }
    (tmp_path / "mixed.yaml").write_text(yaml.safe_dump(sweep))

    # when it is run to its end, and again
    with place(tmp_path) as here:
        done = here.run("run", "mixed.yaml", "--json", timeout_s=700)
        assert done.code == 0, done.err[-5000:]
        again = here.run("run", "mixed.yaml", "--json", timeout_s=300)
        assert again.code == 0, again.err[-5000:]

    # then both arms have a row at every size, the mixed one without a pre-training
    folder = tmp_path / "runs" / "mixed"
    found = {(row["pretrain_task"], row["n"]) for row in rows(folder)}
    assert found == {("none", 0), *((task, n) for task in ("mulclass", "mulclass-mixed") for n in SIZES)}
    assert sum(event["event"] == "pretrained" for event in done.events) == len(SIZES)
    assert not [event for event in again.events if event["event"] in ("pretrained", "observed", "rendered")]

    # and the report says how they differ, and by how much
    page = (folder / "report.html").read_text()
    assert "of the 16 images of each batch 8 are renders and 8 photographs, for 40 steps" in page
    assert "over 3 runs of equal n, s and seed" in page
