"""How records are matched: thresholds, what is compared and why, and which pairs are worth comparing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tenure.identity.evidence import EVIDENCE, KEYS

if TYPE_CHECKING:
    from splink import SettingsCreator
    from splink.internals.comparison_level_creator import ComparisonLevelCreator
    from splink.internals.comparison_library import CustomComparison

# A pair at or above LINK is one person; from REVIEW on a human decides; below it is nobody's business.
LINK = 0.9
REVIEW = 0.5
SEED = 7
# Below this the frequencies of agreement cannot be learnt: exact rules alone.
FEWEST_RECORDS = 500
# Pairs drawn at random to learn how often two strangers agree.
RANDOM_PAIRS = 2_000_000
# Rounds of learning, the first that floats can follow: where the records of one person agree in everything, each
# round says so more firmly, until what is left for a difference is too small for a float.
ROUNDS = (25, 5, 2, 1)
# Share of the true pairs that agree on all of one of STRICT; an assumption, which only sets the prior.
STRICT_RECALL = 0.6
STRICT = (
    ("account",),
    ("first_name", "surname", "birth_date"),
    ("birth_date", "postcode"),
    ("email", "birth_date"),
)
# Pairs share at least one of these: together they survive errors in any two fields.
BLOCKS = (
    ("account",),
    ("email",),
    ("phone",),
    ("street",),
    ("first_name", "surname"),
    ("surname", "birth_date"),
    ("first_name", "birth_date"),
    ("postcode", "birth_date"),
    ("city", "birth_date"),
    ("postcode", "surname"),
    ("postcode", "first_name"),
    ("substr(postcode, 1, 3)", "birth_date"),
    ("substr(postcode, 1, 3)", "surname"),
    ("substr(postcode, 1, 3)", "first_name"),
    ("substr(first_name, 1, 3)", "substr(surname, 1, 4)"),
    ("substr(first_name, 1, 2)", "substr(surname, 1, 2)", "substr(birth_date, 1, 4)"),
)
# A block that makes more pairs than this for each record is left out: it tells nobody apart here, and would not end.
MOST_PAIRS_PER_RECORD = 30
# Nor one that makes more pairs than this in all: a loose block's pairs grow with the square of the records, and the
# tight blocks find nearly all of what it would.
MOST_PAIRS = 10_000_000
# Agreement on these teaches how often one person's records agree on the rest; two, so that each can be learnt.
TAUGHT_BY = (("first_name", "surname"), ("birth_date",))


def fields_in(sql: str) -> set[str]:
    """Name the evidence an expression of a block uses."""
    return {column for column in EVIDENCE if column in sql}


def usable_blocks(filled: set[str]) -> list[tuple[str, ...]]:
    """List the blocks whose columns hold anything at all."""
    return [block for block in BLOCKS if set().union(*map(fields_in, block)) <= filled]


def matching_settings(filled: set[str], blocks: Sequence[tuple[str, ...]], rounds: int) -> SettingsCreator:
    """Give Splink's settings for the columns that hold anything, some blocks, and at most so many rounds of learning.

    Source: Fellegi and Sunter (1969), with term frequencies: two Smiths agree by chance, two Featherstonehaughs hardly.
    """
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl
    from splink import SettingsCreator, block_on

    def levels(column: str, *between: ComparisonLevelCreator, weigh: bool) -> CustomComparison:
        equal = cll.ExactMatchLevel(column, term_frequency_adjustments=weigh)
        return cl.CustomComparison(
            output_column_name=column, comparison_levels=[cll.NullLevel(column), equal, *between, cll.ElseLevel()]
        )

    def slips(column: str, most: int) -> list[ComparisonLevelCreator]:
        return [cll.DamerauLevenshteinLevel(column, slips) for slips in range(1, most + 1)]

    def same_start(column: str, letters: int, label: str) -> ComparisonLevelCreator:
        return cll.CustomLevel(f"substr({column}_l, 1, {letters}) = substr({column}_r, 1, {letters})", label)

    comparisons = {
        # Both names in one comparison: they err together (swapped, misheard) and are common or rare together.
        "full_name": cl.ForenameSurnameComparison(
            "first_name",
            "surname",
            forename_surname_concat_col_name="full_name",
            jaro_winkler_thresholds=[0.92, 0.88, 0.8],
        ),
        # Digits are mistyped or swapped; the first of January is often a placeholder, so a date weighs by its rarity.
        "birth_date": levels(
            "birth_date", *slips("birth_date", 2), same_start("birth_date", 4, "same year"), weigh=True
        ),
        # The beginning of a postcode is its region in every country we know.
        "postcode": levels("postcode", *slips("postcode", 1), same_start("postcode", 3, "same region"), weigh=True),
        # Places are of unequal size: agreement on a village says more than on a capital. They are spelt in many ways.
        "street": levels("street", *(cll.JaroWinklerLevel("street", least) for least in (0.9, 0.8)), weigh=True),
        "city": levels("city", *(cll.JaroWinklerLevel("city", least) for least in (0.9, 0.8)), weigh=True),
        # Keys: equal, or mistyped. What many people share has been withheld before.
        **{key: levels(key, *slips(key, 2), weigh=False) for key in KEYS},
    }
    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=[comparison for column, comparison in comparisons.items() if column in filled],
        blocking_rules_to_generate_predictions=[block_on(*block) for block in blocks],
        max_iterations=rounds,
        retain_matching_columns=True,
        additional_columns_to_retain=["customer_id", "known_at"],
    )
