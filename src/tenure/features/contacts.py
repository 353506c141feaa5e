"""Features of contacts: how much we sent. Not what it brought: billing and behaviour say that."""

from tenure.features.definition import EVER, Feature, FeatureView

SENT = "filter (where arm is null or arm = 'treated')"

VIEW = FeatureView(
    table="contacts",
    driver="contacts",
    features=(
        Feature("count_contacts", f"count(*) {SENT}", (30, 90), 0, "count", "Messages and offers sent.", "contact{s}"),
        Feature(
            "days_since_contact", f"min(age_days) {SENT}", (EVER,), None, "days",
            "Days since we last wrote.", "since we last wrote",
        ),
    ),
)  # fmt: skip
