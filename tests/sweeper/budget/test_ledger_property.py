"""The ledger under any order of events: reserve, begin, settle, refund, time, crash and resume, mixed at random.

A plain model keeps the same books in a dictionary. After every event the ledger must agree with it, on every cap; and
what is read back from the file must agree with what is in memory.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sweeper.budget.costs import NOTHING, Cost
from sweeper.budget.ledger import STAGES, Ledger
from sweeper.config.schema import Budget
from tests.sweeper.examples import Clock

USD, DEVICE_S = 4.0, 1800.0
CAPS = Budget(minutes=4.0, device_hours=DEVICE_S / 3600, usd=USD)
PARTS = st.lists(
    st.tuples(st.sampled_from(STAGES), st.integers(0, 8)), min_size=1, max_size=3, unique_by=lambda p: p[0]
)
WHICH = st.integers(0, 99)
# What a kill may leave of a line that was being written.
TORN = b'{"event": "settle", "id": "0123456789ab", "units": 1, "cost": {"wall_s": 0.0'


def work(quarters: int) -> Cost:
    """Quarter dollars, with some device time; small binary fractions, so that sums are exact."""
    return Cost(8.0 * quarters, 64.0 * quarters, quarters / 4)


class Books(RuleBasedStateMachine):
    """The ledger beside the model: `open` and `before` (reservations of drivers that died) by id, `charged` in all."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.jsonl"
        self.clock = Clock()
        self.open: dict[str, Cost] = {}
        self.begun: set[str] = set()
        self.before: list[str] = []
        self.charged = NOTHING
        self.ledger = Ledger(self.path, CAPS, self.clock)
        self.ledger.start()

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(parts=PARTS)
    def reserve(self, parts: list[tuple[str, int]]) -> None:
        asked = {stage: (work(quarters), 1.0) for stage, quarters in parts}
        fits = self.ledger.affords({stage: cost for stage, (cost, _) in asked.items()})
        ids = self.ledger.reserve("a run", asked)
        # Whole or not at all, and never beyond what the model says is left in dollars and device time.
        assert (ids is not None) == fits
        if ids is not None:
            assert set(ids) == set(asked)
            self.open |= {ids[stage]: cost for stage, (cost, _) in asked.items()}
            held = sum(self.open.values(), self.charged)
            assert held.usd <= USD
            assert held.device_s <= DEVICE_S

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def begin(self, which: int) -> None:
        id_ = sorted(self.open)[which % len(self.open)]
        self.ledger.begin(id_)
        self.begun.add(id_)

    @precondition(lambda self: self.open)
    @rule(which=WHICH, share=st.sampled_from([0.0, 0.25, 1.0]))
    def settle(self, which: int, share: float) -> None:
        """In any order, for no more than was reserved."""
        id_ = sorted(self.open)[which % len(self.open)]
        cost = self.open.pop(id_).scaled(share)
        self.ledger.settle(id_, cost, 1.0)
        self.charged += cost
        self.before.append(id_)

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def refund(self, which: int) -> None:
        id_ = sorted(self.open)[which % len(self.open)]
        self.ledger.settle(id_, NOTHING, 0)
        del self.open[id_]
        self.before.append(id_)

    @precondition(lambda self: self.before)
    @rule(which=WHICH)
    def settle_too_late(self, which: int) -> None:
        """Settled, refunded or charged to a dead driver before: it is not charged twice."""
        self.ledger.settle(self.before[which % len(self.before)], work(3), 1.0)

    @rule(seconds=st.sampled_from([0.0, 1.0, 16.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.ledger.tick()

    @rule(torn=st.integers(0, len(TORN)))
    def crash_and_resume(self, torn: int) -> None:
        with self.path.open("ab") as stream:
            stream.write(TORN[:torn])
        self.ledger = Ledger(self.path, CAPS, self.clock)
        self.ledger.start()
        # What a dead driver had begun may have been spent to the last cent: it is charged in full.
        self.charged = sum((cost for id_, cost in self.open.items() if id_ in self.begun), self.charged)
        self.before += list(self.open)
        self.open = {}

    @invariant()
    def nothing_is_overspent_and_nothing_lost(self) -> None:
        spent, reserved = self.ledger.spent(), self.ledger.reserved()
        assert (spent.usd, spent.device_s) == (self.charged.usd, self.charged.device_s)
        assert reserved == sum(self.open.values(), NOTHING)
        assert spent.usd + reserved.usd <= USD
        assert spent.device_s + reserved.device_s <= DEVICE_S
        assert spent.wall_s == self.clock.now

    @invariant()
    def the_stages_add_up_to_the_whole(self) -> None:
        rows = self.ledger.by_stage().values()
        assert sum(row["usd"] for row in rows) == self.charged.usd

    @invariant()
    def the_file_says_the_same(self) -> None:
        read = Ledger(self.path, CAPS, self.clock)
        assert read.spent().usd == self.charged.usd
        assert read.reserved() == self.ledger.reserved()


Books.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestBooks = Books.TestCase
