"""Features of the loyalty programme: points, tier, and what is done with them."""

from tenure.features.definition import Feature, FeatureView

VIEW = FeatureView(
    table="loyalty",
    driver="loyalty",
    features=(
        Feature(
            "points_earned", "sum(points) filter (where event = 'earned')",
            windows_days=(90, 365), when_no_rows=0, unit="number",
            meaning="Points earned.", noun="points earned",
        ),
        Feature(
            "points_redeemed", "sum(points) filter (where event = 'redeemed')",
            windows_days=(90, 365), when_no_rows=0, unit="number",
            meaning="Points redeemed.", noun="points redeemed",
        ),
        Feature(
            "loyalty_tier", "latest(tier)",
            when_no_rows="none", unit="category",
            meaning="Tier at the cutoff.", noun="tier",
        ),
        Feature(
            "days_since_redemption", "min(age_days) filter (where event = 'redeemed')",
            unit="days", meaning="Days since points were last redeemed.",
            noun="since points were redeemed",
        ),
    ),
)  # fmt: skip
