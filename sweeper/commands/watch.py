"""`sweeper watch`: a sweep while it runs, in the terminal: stages with what is left, spend, and the curves so far."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeper.budget.ledger import Ledger
from sweeper.commands.report import LEDGER, STOPPED, write_report
from sweeper.config.load import load_run_config
from sweeper.config.schema import NO_PRETRAINING, SweepConfig
from sweeper.events.eta import Eta, in_words, pace
from sweeper.events.progress_file import SILENT_S, read_progress
from sweeper.stages.identity import studies
from sweeper.storage.json_lines import read_events
from sweeper.study import results
from sweeper.study.arms import make_plan

# Seconds between two looks, and between two pages with --html.
LOOK_S, PAGE_S = 5.0, 30
BARS = "▁▂▃▄▅▆▇█"
# A stage that reported nothing for so long is shown with that.
QUIET_S = 60.0
# Lines of the picture beside stages and arms, on a terminal.
AROUND = 9
PACE = ("done", "total", "rate", "unit")
NBSP = "\N{NO-BREAK SPACE}"

# Arm -> size n -> the mean error over seeds.
Curves = dict[str, dict[int, float]]


@dataclass(frozen=True)
class Seen:
    """A sweep at one moment. `arms`: how many the design has; `s`: of a sweep over several, that which the curves are
    of; `silent_s`: since it said something, None if never."""

    config: SweepConfig
    ledger: Ledger
    curves: Curves
    arms: int
    s: int | None
    stop_reason: str
    stages: tuple[dict[str, Any], ...]
    silent_s: float | None
    ended: bool

    @property
    def running(self) -> bool:
        """Whether a driver works on it now."""
        return not self.ended and self.silent_s is not None and self.silent_s < SILENT_S


PageWriter = Callable[[Callable[[], Path], Seen], None]


def look(folder: Path) -> Seen:
    """Read a run folder without fitting anything, so that it costs the sweep beside it little."""
    config = load_run_config(folder)
    parts = tuple(sorted(path.name for path in (folder / "results").glob("*.parquet")))
    curves, arms, s = _curves(folder, config.to_yaml(), parts)
    stops = [event for event in read_events(folder / STOPPED) if event.get("sweep") == studies(config).sweep]
    told = read_progress(folder)
    return Seen(
        config,
        Ledger(folder / LEDGER, config.budget),
        curves,
        arms,
        s,
        stops[-1]["reason"] if stops else "",
        tuple(_as_left(stage, told["at"]) for stage in told["stages"]) if told else (),
        time.time() - told["at"] if told else None,
        told is None or told["ended"],
    )


def watch(find: Callable[[], Path], *, once: bool, html: bool, every_s: float = LOOK_S) -> None:
    """Show the sweep whose folder `find` gives until it ends, or once; with `html` its report is written meanwhile."""
    console = Console(highlight=False)
    seen = look(find())
    if not once:
        seen = _follow(find, seen, console, every_s, _page_writer() if html else _no_page)
    console.print(view(seen, console))
    if html:
        print(write_report(find()).report)


def view(seen: Seen, console: Console, rows: int | None = None) -> RenderableType:
    """The whole picture, with `rows` arms at most; those left out are counted."""
    shown = list(seen.curves)[:rows]
    lines = [*_head(seen), *_stages(seen), *_arms(seen, len(seen.curves) - len(shown))]
    table = Table.grid(padding=(0, 2))
    errors = [error for curve in seen.curves.values() for error in curve.values()]
    for arm in shown:
        points = sorted(seen.curves[arm].items())
        cells = [arm, "  ".join(f"{n:,}:{NBSP}{error:.2%}" for n, error in points)]
        if not console.options.ascii_only:
            cells.insert(1, "".join(_bar(error, min(errors), max(errors)) for _, error in points))
        table.add_row(*map(Text, cells))
    return Group(*map(Text, lines), *([table] if shown else []))


def _follow(find: Callable[[], Path], seen: Seen, console: Console, every_s: float, page: PageWriter) -> Seen:
    """Show the sweep again and again until it ends; without a terminal, each picture that is another than the last."""
    live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
    said = ""
    with live or nullcontext():
        while seen.running:
            if live is not None:
                rows = max(1, console.height - len(seen.stages) - AROUND)
                live.update(view(seen, console, rows), refresh=True)
            elif (text := _as_text(seen, console)) != said:
                said = text
                print(text, flush=True)
            page(find, seen)
            time.sleep(every_s)
            seen = look(find())
    return seen


def _page_writer() -> PageWriter:
    """Writes a report that reads itself anew, where there are new runs and the last page is PAGE_S seconds old."""
    written, told = float("-inf"), None

    def write(find: Callable[[], Path], seen: Seen) -> None:
        nonlocal written, told
        if seen.curves != told and time.monotonic() - written > PAGE_S:
            write_report(find(), refresh_s=PAGE_S)
            written, told = time.monotonic(), seen.curves

    return write


def _no_page(find: Callable[[], Path], seen: Seen) -> None:
    pass


def _as_text(seen: Seen, console: Console) -> str:
    with console.capture() as captured:
        console.print(view(seen, console))
    return captured.get()


def _head(seen: Seen) -> Iterator[str]:
    simulated = " (simulated task: errors are drawn from known laws)" if seen.config.is_simulated else ""
    at_rest = seen.stop_reason or "not running, not finished; run it again to go on"
    state = "running" if seen.running else at_rest
    yield f"{seen.config.name}{simulated}: {state}"
    spent, caps = seen.ledger.spent(), seen.config.budget.caps()
    yield f"spent: {spent.wall_s / 60:.1f} min alive, {spent.device_s / 3600:.3f} device-hours, ${spent.usd:.3f}"
    for name, left in seen.ledger.left().items():
        unit = name.replace("_", "-")
        yield f"left:  {max(0.0, left):.3g} of {caps[name]:g} {unit}, less what is set aside for runs under way"


def _stages(seen: Seen) -> Iterator[str]:
    """What is under way: done of total, rate, what is left."""
    if not seen.running:
        return
    for stage in seen.stages:
        if stage["done"] >= stage["total"] > 0:
            continue
        share = stage["done"] / stage["total"] if stage["total"] else 0.0
        text = f"{stage['stage']} {stage['what']}: {share:.0%}, {pace(**{key: stage[key] for key in PACE})}"
        # A stage that should have ended says nothing of when.
        if stage["left"] is not None and stage["left"].high > 0:
            text += f", {stage['left']}"
        yield text + (f" (no word for {in_words(stage['silent_s'])})" if stage["silent_s"] > QUIET_S else "")
    if not seen.stages:
        yield "no stage has told of its progress yet"


def _arms(seen: Seen, hidden: int) -> Iterator[str]:
    """How many arms have a curve, and what the table below shows."""
    begun = sum(not arm.startswith(f"{NO_PRETRAINING}/") for arm in seen.curves)
    rest = f", {hidden} rows more than fit here: sweeper status shows all" if hidden else ""
    yield f"arms with runs: {begun} of {seen.arms}{rest}"
    if seen.curves:
        at = f" at s = {seen.s:,}" if seen.s else ""
        yield f"error by n, the number of renders (0: no pre-training){at}, the mean over seeds:"


@lru_cache(maxsize=1)
def _curves(folder: Path, config_text: str, parts: tuple[str, ...]) -> tuple[Curves, int, int | None]:
    """The mean error over seeds of each arm at each n, how many arms there are, and of several s the largest with runs.

    Read anew with new parts.
    """
    config = load_run_config(folder)
    observations = results.read(folder / "results", studies(config))
    plan = make_plan(config, observations[0].s if observations else 0)
    errors: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    runs = [run for run in results.runs(observations) if run.repeats >= config.finetune.repeats]
    s = max((run.run.s for run in runs), default=0) if plan.counts else None
    for run in runs:
        if s is None or run.run.s == s:
            errors[run.run.arm][run.run.n].append(run.error)
    order = [arm.name for arm in (*plan.references, *plan.arms) if arm.name in errors]
    return {arm: {n: fmean(found) for n, found in errors[arm].items()} for arm in order}, len(plan.arms), s


def _as_left(stage: dict[str, Any], now: float) -> dict[str, Any]:
    """A stage with what is left at `now` by the driver's clock, and how long ago it was reported."""
    silent_s = max(0.0, now - stage["at"])
    left = None
    if "eta_s" in stage:
        left = Eta(*(max(0.0, stage[key] - silent_s) for key in ("eta_s", "eta_low_s", "eta_high_s")))
    return stage | {"left": left, "silent_s": silent_s}


def _bar(error: float, low: float, high: float) -> str:
    """An error as a bar, on the scale of all errors shown."""
    return BARS[round((error - low) / (high - low) * (len(BARS) - 1))] if high > low else BARS[0]
