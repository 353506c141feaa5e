"""A decision that is killed at one of its writes, then made again, is as if nothing had happened."""

from pathlib import Path

import pytest
from small import CHANNEL, SAVE, Small

RULES = (
    f'[decisions]\nhold_out = 0.4\nexplore = 0.1\nexplore_total = 0.2\n{CHANNEL}{SAVE}tier = "sample"\n'
    '[actions.failed]\nsays = "It failed"\nservice = true\nchannels = ["email"]\nexpires_after = 4\n'
    'on = { table = "payments", expression = "count(*) filter (where status = \'failed\') > 0", days = 1 }\n'
)
PAYMENTS = (
    "customer_id occurred_at payment_id amount status",
    "c1 2026-03-01 p1 9 failed",
    "c2 2026-03-03 p2 9 failed",
)
# The second is of another month: a twelfth of the hold-out is exchanged.
DAYS = ("2026-02-27", "2026-03-02", "2026-03-04")
WRITES = {"hold-out": "hold_out-scheduled.json", "arrivals": "-scheduled-000001.parquet", "decisions": "scheduled-000001.parquet"}  # fmt: skip


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def shop(root: Path) -> Small:
    return Small(root, RULES, ids=[f"c{number}" for number in range(40)], payments=PAYMENTS)


def kept(shop: Small) -> dict[str, bytes]:
    """Read every file of the ledger, and any that was left half-written."""
    folder = shop.workspace.decisions_of("shop")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def killed_at(shop: Small, day: str, writes: str, *, after: bool) -> None:
    """Decide on a day, and die where a file takes its place: just before, or just after."""
    replace, reached = Path.replace, []

    def dying(fresh: Path, place: Path) -> Path:
        is_it = place.name == writes if not writes.startswith("-") else place.parent.name == "arrivals"
        if is_it:
            reached.append(place)
            if after:
                replace(fresh, place)
            raise Killed
        return replace(fresh, place)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "replace", dying)
        shop.decide(day)
    assert len(reached) == 1


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Small:
    never = shop(tmp_path_factory.mktemp("undisturbed"))
    for day in DAYS:
        never.decide(day)
    return never


@pytest.mark.parametrize(
    ("writes", "after"),
    [("hold-out", False), ("hold-out", True), ("arrivals", False), ("arrivals", True), ("decisions", False)],
)
def test_a_day_killed_at_any_of_its_writes_and_decided_again_leaves_the_same_bytes_and_answers_a_failed_payment_once(
    tmp_path, undisturbed, writes, after
):
    again = shop(tmp_path)
    again.decide(DAYS[0])
    killed_at(again, DAYS[1], WRITES[writes], after=after)
    assert len(again.ledger()) == len(again.ids)  # of the day before alone
    for day in DAYS[1:]:
        again.decide(day)
    assert kept(again) == kept(undisturbed)
    failed = [sent for sent in again.sent() if sent[1] == "failed"]
    assert failed == [("c1", "failed", "2026-03-02"), ("c2", "failed", "2026-03-04")]


def test_a_killed_day_that_is_never_made_again_takes_no_failed_payment_with_it(tmp_path):
    skipped = shop(tmp_path)
    skipped.decide(DAYS[0])
    killed_at(skipped, DAYS[1], WRITES["decisions"], after=False)
    skipped.decide(DAYS[2])
    failed = [sent for sent in skipped.sent() if sent[1] == "failed"]
    assert failed == [("c1", "failed", "2026-03-04"), ("c2", "failed", "2026-03-04")]
