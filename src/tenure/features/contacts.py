"""Features of contacts: how much we sent. Not what it brought: billing and behaviour say that."""

from tenure.features.definition import Feature, FeatureView

# Assigned to be sent, and sent: an answer or a bounce is a row of its own.
IS_SENT = "(assigned is null or assigned = 'treated') and (status is null or status = 'sent')"
SENT = f"filter (where {IS_SENT})"

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
