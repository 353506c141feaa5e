"""Features of declared answers: what the customer told us."""

from tenure.features.definition import Feature, FeatureView

VIEW = FeatureView(
    table="declared",
    driver="declared answers",
    features=(
        Feature(
            "count_answers", "count(distinct key)",
            when_no_rows=0, unit="count",
            meaning="Questions answered.", noun="question{s} answered",
        ),
        Feature(
            "latest_answer", "latest(value)",
            when_no_rows="none", unit="category",
            meaning="The last answer given.", noun="last answer",
        ),
        Feature(
            "days_since_answer", "min(age_days)",
            unit="days", meaning="Days since the last answer.",
            noun="since the last answer",
        ),
    ),
)  # fmt: skip
