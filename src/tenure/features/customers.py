"""Features of the customers table itself; a source's attributes become features in ``catalogue``."""

from tenure.features.definition import Feature, FeatureView

VIEW = FeatureView(
    table="customers",
    driver="time since registration",
    features=(
        Feature(
            "days_since_registered", "max(age_days)",
            unit="days", meaning="Days since the customer was registered: the day of the first row on them.",
            noun="since the registration",
        ),
    ),
)  # fmt: skip
