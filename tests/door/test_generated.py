"""Files of the kinds that were misread: each is read right, or told, or refused with the line to write; never in silence.

A hundred and five small ones, one of each maker; ``benchmarks/door.py`` runs a thousand, large ones among them.
"""

from collections import Counter

import pytest

from door.generate import MAKERS, TURNS, draw_case, kind_of
from door.judge import GOOD, judge

FILES, LARGEST = 105, 120


@pytest.mark.parametrize(
    "kind", range(len(MAKERS)), ids=["reader", "dates", "zones", "numbers", "files", "ids", "past"]
)
def test_no_generated_file_is_misread_in_silence_and_no_honest_one_refused(kind):
    found, wrong = Counter(), []
    for seed in (seed for seed in range(FILES) if kind_of(seed) == kind):
        case = draw_case(seed, LARGEST)
        verdict = judge(case)
        found[verdict.word] += 1
        if verdict.word not in GOOD:
            wrong.append(f"seed {seed}, {case.name}, {len(case.rows)} rows: {verdict.word}: {verdict.why[:600]}")
    assert not wrong, f"{len(wrong)} of {found.total()} ({dict(found)}):\n" + "\n".join(wrong)
    assert found["right"] >= 3, "files are read, not only refused"


def test_each_maker_has_its_turn():
    assert len(TURNS) <= FILES
