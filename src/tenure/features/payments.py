"""Features of payments: failed ones first. Billing is the truth about a customer."""

from tenure.features.definition import Feature, FeatureView

FAILED = "filter (where status = 'failed')"
PAID = "filter (where status = 'succeeded')"
# What an attempt brought, the only meaning of money from payments there is: what is refunded or charged back counts
# against the day on which it was given back, whatever its sign in the raw data.
NET_AMOUNT = "CASE status WHEN 'succeeded' THEN amount WHEN 'failed' THEN 0 ELSE -abs(amount) END"

VIEW = FeatureView(
    table="payments",
    driver="payments",
    features=(
        Feature(
            "count_failed_payments", f"count(*) {FAILED}",
            windows_days=(30, 90, 180, 365), when_no_rows=0, unit="count",
            meaning="Payment attempts that failed.", noun="failed payment{s}", driver="failed payments",
        ),
        Feature(
            "share_failed_payments", f"count(*) {FAILED} / nullif(count(*), 0)",
            windows_days=(90, 365), unit="share",
            meaning="Failed attempts among all attempts.", noun="of payment attempts failed", driver="failed payments",
        ),
        Feature(
            "days_since_failed_payment", f"min(age_days) {FAILED}",
            unit="days", meaning="Days since a payment last failed.",
            noun="since a payment failed", driver="failed payments",
        ),
        Feature(
            "latest_payment_status", "latest(status)",
            windows_days=(90,), unit="category",
            meaning="How the last attempt went.", noun="last payment attempt", driver="failed payments",
        ),
        Feature(
            "count_payments", f"count(*) {PAID}",
            windows_days=(90, 365), when_no_rows=0, unit="count",
            meaning="Payments that succeeded.", noun="payment{s}", driver="payments",
        ),
        Feature(
            "paid_amount", f"sum({NET_AMOUNT})",
            windows_days=(30, 90, 365), when_no_rows=0, unit="currency",
            meaning="Amount paid, less what was refunded or charged back in the same days.",
            noun="paid", driver="payments",
        ),
        Feature(
            "days_since_payment", f"min(age_days) {PAID}",
            unit="days", meaning="Days since the last payment that succeeded.",
            noun="since the last payment", driver="payments",
        ),
        Feature(
            "count_refunds", "count(*) filter (where status in ('refunded', 'charged_back'))",
            windows_days=(90, 365), when_no_rows=0, unit="count",
            meaning="Refunds and chargebacks.", noun="refund{s} or chargeback{s}", driver="refunds",
        ),
    ),
)  # fmt: skip
