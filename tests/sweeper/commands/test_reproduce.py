from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.laws import full_law_error, law_error
from analysis.paper.full_law import loss_landscape
from analysis.paper.recorded import read_paper
from analysis.paper.tables import fit_paper
from sweeper.commands.reproduce import reproduce_paper
from sweeper.errors import BadInput

HEAD = "n_eval,value,pretrain.data,pscale,ptask,fdata,fratio,ftask,model,nparam,pdata"
N = 1000 * 2.0 ** np.arange(7)


def _published(folder: Path) -> Path:
    """A small file in the published format: D = 0.48 in every setting, law (2) over the fractions."""
    lines = [HEAD]
    for backbone, size, C in (("r18", 11.4, 0.5), ("r34", 21.5, 0.45), ("r50", 23.9, 0.4)):
        for n in N:
            error = float(law_error(n, 0.4, C, 0.48))
            lines += [
                f"{step},{1 - error - 0.1 * (step < 9)},{n},64k,objdet,coco,1,objdet,{backbone},{size},bop"
                for step in (5, 9)
            ]
    for fraction in (1, 2, 10, 64, 100):
        for n in N:
            error = float(full_law_error(n, 12_811.67 * fraction, 0.4, 0.3, 0.4, 12.0))
            lines.append(f"9,{1 - error},{n},64k,mulclass,imagenet,{fraction},sinclass,r50,23.9,bop")
    lines.append("9,0.3,1281167,64k,mulclass,imagenet,1,sinclass,r50,23.9,imagenet")
    path = folder / "results_finetune.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_last_evaluation_counts_and_imagenet_stays_out(tmp_path: Path) -> None:
    paper = read_paper(_published(tmp_path))
    assert len(paper) == 3 + 5
    curve = next(c for s, c in paper.items() if s.backbone == "r18")
    np.testing.assert_allclose(curve.error, law_error(N, 0.4, 0.5, 0.48))


def test_every_table_and_a_page_with_its_figures(tmp_path: Path) -> None:
    said = json.loads(reproduce_paper(_published(tmp_path), tmp_path / "out", as_json=True))
    page = (tmp_path / "out" / "reproduce.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 6
    names = ["figure_1", "figure_4", "figure_5", "figure_6", "appendix_C2", "appendix_C3", "appendix_D"]
    assert list(said["tables"]) == names
    assert all((tmp_path / "out" / "tables" / f"{name}.csv").exists() for name in names)
    gaps = said["tables"]["figure_1"]["rows"]
    detection = next(row for row in gaps if row["setting"].startswith("objdet"))
    assert detection["alpha (D = 0.48)"] == pytest.approx(0.4, abs=1e-3)
    full = [r for r in said["tables"]["appendix_C2"]["rows"] if r["value"] == "alpha"]
    assert full[0]["estimate"] == pytest.approx(0.4, abs=1e-3)
    assert full[0]["difference"] == pytest.approx(0.4 - 0.544, abs=1e-3)
    ours = [r for r in said["tables"]["appendix_C2"]["rows"] if r["fit"].endswith("posterior")]
    assert {r["value"] for r in ours} == {"alpha", "beta", "gamma", "delta"}


def test_the_landscape_is_lowest_at_the_truth(tmp_path: Path) -> None:
    fits = fit_paper(read_paper(_published(tmp_path)))
    curves = [(c.n, c.error) for s, c in fits.curves.items() if s.pretrain_task == "objdet"]
    alpha, D = np.array([0.2, 0.4, 0.6]), np.array([0.2, 0.48, 1.0])
    landscape = loss_landscape(curves, alpha, D)
    assert np.unravel_index(landscape.argmin(), landscape.shape) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "n,error\n1,2\n",
        HEAD + "\n9,zero,1000,64k,objdet,coco,1,objdet,r50,23.9,bop\n",
        HEAD + "\n",
        HEAD.replace("nparam", "size") + "\n9,0.3,1000,64k,objdet,coco,1,objdet,r50,23.9,bop\n",
        HEAD + "\n9,0.3,1000,64k,objdet\n",
        HEAD + "\n9,0.3," + "1" * 200_000 + ",64k,objdet,coco,1,objdet,r50,23.9,bop\n",
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match="give the") as refused:
        reproduce_paper(path, tmp_path / "out", as_json=False)
    assert "\n" not in str(refused.value)
