"""`sweeper reproduce CSV`: the paper's published results in, its tables and figures out."""

from pathlib import Path

from analysis.paper.page import write_reproduction
from analysis.paper.recorded import read_paper
from analysis.paper.tables import all_tables, fit_paper
from sweeper.errors import bad_input
from sweeper.storage.strict_json import dumps


def reproduce_paper(csv: Path, out: Path, *, as_json: bool) -> str:
    """Write the page and the tables under `out`; returns what to print. BadInput where the file cannot be used."""
    with bad_input():
        paper = read_paper(csv)
        fits = fit_paper(paper)
        tables = all_tables(paper, fits)
    page = write_reproduction(tables, fits, out)
    if not as_json:
        return f"{page}\n" + "\n".join(f"{out / 'tables' / table.name}.csv: {table.title}" for table in tables)
    shown = {
        t.name: {"title": t.title, "note": t.note, "rows": [dict(zip(t.columns, row, strict=True)) for row in t.rows]}
        for t in tables
    }
    return dumps({"page": str(page), "tables": shown})
