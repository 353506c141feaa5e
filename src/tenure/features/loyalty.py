"""Features of the loyalty programme: points, tier, and what is done with them."""

from tenure.features.definition import EVER, Feature, FeatureView

VIEW = FeatureView(
    table="loyalty",
    driver="loyalty",
    features=(
        Feature("points_earned", "sum(points) filter (where event = 'earned')", (90, 365), 0, "number", "Points earned.", "points earned"),
        Feature("points_redeemed", "sum(points) filter (where event = 'redeemed')", (90, 365), 0, "number", "Points redeemed.", "points redeemed"),
        Feature("loyalty_tier", "latest(tier)", (EVER,), "none", "category", "Tier at the cutoff.", "tier"),
        Feature(
            "days_since_redemption", "min(age_days) filter (where event = 'redeemed')", (EVER,), None, "days",
            "Days since points were last redeemed.", "since points were redeemed",
        ),
    ),
)  # fmt: skip
