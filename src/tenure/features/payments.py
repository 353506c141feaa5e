"""Features of payments: failed ones first. Billing is the truth about a customer."""

from tenure.features.definition import EVER, Feature, FeatureView

FAILED = "filter (where status = 'failed')"
PAID = "filter (where status = 'succeeded')"

VIEW = FeatureView(
    table="payments",
    driver="payments",
    features=(
        Feature(
            "count_failed_payments", f"count(*) {FAILED}", (30, 90, 180, 365), 0, "count",
            "Payment attempts that failed.", "failed payment{s}", "failed payments",
        ),
        Feature(
            "share_failed_payments", f"count(*) {FAILED} / nullif(count(*), 0)", (90, 365), None, "share",
            "Failed attempts among all attempts.", "of payment attempts failed", "failed payments",
        ),
        Feature(
            "days_since_failed_payment", f"min(age_days) {FAILED}", (EVER,), None, "days",
            "Days since a payment last failed.", "since a payment failed", "failed payments",
        ),
        Feature(
            "latest_payment_status", "latest(status)", (90,), None, "category",
            "How the last attempt went.", "last payment attempt", "failed payments",
        ),
        Feature(
            "count_payments", f"count(*) {PAID}", (90, 365), 0, "count", "Payments that succeeded.", "payment{s}", "payments",
        ),
        Feature(
            "paid_amount", f"sum(amount) {PAID}", (30, 90, 365), 0, "currency",
            "Amount paid.", "paid", "payments",
        ),
        Feature(
            "days_since_payment", f"min(age_days) {PAID}", (EVER,), None, "days",
            "Days since the last payment that succeeded.", "since the last payment", "payments",
        ),
        Feature(
            "count_refunds", "count(*) filter (where status in ('refunded', 'charged_back'))", (90, 365), 0, "count",
            "Refunds and chargebacks.", "refund{s} or chargeback{s}", "refunds",
        ),
    ),
)  # fmt: skip
