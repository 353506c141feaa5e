"""Odd and honest files of the kinds 1 to 7, each with its truth. Written from the formats' documentation alone.

``draw_case(seed)`` always gives the same files. All makers take turns, so that few cases already hold them all.
"""

import random

from door.kinds_dates import DATE_MAKERS
from door.kinds_files import FILE_MAKERS
from door.kinds_ids import ID_MAKERS
from door.kinds_numbers import NUMBER_MAKERS
from door.kinds_past import PAST_MAKERS
from door.kinds_text import MAKERS as TEXT_MAKERS
from door.kinds_text import long_cell
from door.kinds_zones import ZONE_MAKERS
from door.rows import Case, draw_size

MAKERS = (TEXT_MAKERS, DATE_MAKERS, ZONE_MAKERS, NUMBER_MAKERS, FILE_MAKERS, ID_MAKERS, PAST_MAKERS)
# Which maker's turn it is, seed after seed, and of which kind: a kind with many makers has more turns.
TURNS = [
    (kind, makers[place])
    for place in range(max(map(len, MAKERS)))
    for kind, makers in enumerate(MAKERS)
    if place < len(makers)
]


def kind_of(seed: int) -> int:
    return TURNS[seed % len(TURNS)][0]


def draw_case(seed: int, largest: int = 5_000) -> Case:
    """Draw a case of about 3 to ``largest`` rows."""
    rng = random.Random(seed)
    _, maker = TURNS[seed % len(TURNS)]
    count = draw_size(rng, largest)
    if maker is long_cell and largest >= 1_000 and rng.random() < 0.5:
        return long_cell(rng, count, size=rng.choice([1_000_000, 3_000_000]))
    return maker(rng, count)
