"""Features of contacts: how much we sent. Not what it brought: billing and behaviour say that."""

from tenure.features.definition import Feature, FeatureView

SENT = "filter (where arm is null or arm = 'treated')"

VIEW = FeatureView(
    table="contacts",
    driver="contacts",
    features=(
        Feature(
            "count_contacts", f"count(*) {SENT}",
            windows_days=(30, 90), when_no_rows=0, unit="count",
            meaning="Messages and offers sent.", noun="contact{s}",
        ),
        Feature(
            "days_since_contact", f"min(age_days) {SENT}",
            unit="days", meaning="Days since we last wrote.",
            noun="since we last wrote",
        ),
    ),
)  # fmt: skip
