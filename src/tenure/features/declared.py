"""Features of declared answers: what the customer told us."""

from tenure.features.definition import EVER, Feature, FeatureView

VIEW = FeatureView(
    table="declared",
    driver="declared answers",
    features=(
        Feature("count_answers", "count(distinct key)", (EVER,), 0, "count", "Questions answered.", "question{s} answered"),
        Feature("latest_answer", "latest(value)", (EVER,), "none", "category", "The last answer given.", "last answer"),
        Feature(
            "days_since_answer", "min(age_days)", (EVER,), None, "days", "Days since the last answer.", "since the last answer",
        ),
    ),
)  # fmt: skip
