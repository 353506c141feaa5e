"""Leaks planted into the deliveries of two companies, and beside each its honest twin, which looks alike and is right.

A leak lies about the past in both deliveries, as far as it was known on each day; one function makes it and its twin.
"""

import numpy as np
import pandas as pd
from companies import (
    DAYS,
    KEYS,
    LEAKS,
    OPENED,
    TWINS,
    Delivery,
    bought,
    by_lot,
    club,
    days,
    ended,
    honest,
    planted,
    shop,
)

VALUES, ADDED, REMOVED = (
    ("values changed on past days",),
    ("rows added to past days",),
    ("rows removed from past days",),
)
MONTHS = pd.date_range("2022-09-01", "2024-07-01", freq="MS")
JUNE_3 = pd.Timestamp("2024-06-03 12:00")  # before both deliveries: what is made up here, no comparison can see
SHOP = ("customers", "order_lines", "engagement")


def deliver(
    workspace, company: str, number: int, leak: str = "", honest: str = "", seed: int = 1, thin: int = 1
) -> None:
    """Write the raw files and the source.toml of a company's delivery 1 or 2, in place of what is there."""
    facts, truth = {"shop": shop, "club": club}[company](seed)
    delivery = Delivery(company, number, facts, truth, np.random.default_rng([seed, 99]))
    for name, kind in ((leak, LEAKS), (honest, TWINS)):
        if name:
            assert kind[name].company == company, f"{name} happens to the {kind[name].company}"
            kind[name].change(delivery)
    delivery.write(workspace.raw(company), thin)


# fmt: off
@planted("churn", "usage.quantity", VALUES + ADDED, main=True,
         text="monthly_roll_up: A month's sum is stamped at its start in UTC; the running month holds the sum so far.")
@planted("churn", "usage", ADDED, "monthly_roll_up_closed: The same, delivered once the month is over.", closed=True)
@honest("churn", "roll_up_at_month_end: The sum of a month is stamped at its end.", closed=True, at_end=True)
@honest("churn", "roll_up_known_later: A month's sum is stamped at its start, and known after its end.", closed=True)
def roll_up(d, honest, closed=False, at_end=False):
    rows = d.tables["usage"]
    rows["month"] = rows["occurred_at"].dt.to_period("M").dt.to_timestamp()
    rows["end"] = rows["month"] + pd.offsets.MonthBegin(1)
    rows = rows[((rows["end"] <= d.day) | (not closed)) & ((rows["known_at"] < rows["end"]) | (not honest))]
    rows = rows.groupby(["customer_id", "month", "end", "metric"], as_index=False)["quantity"].sum()
    rows["occurred_at"] = rows["known_at"] = rows["month"].dt.strftime("%Y-%m-%dT00:00:00Z")
    if honest:
        rows["known_at"] = rows["end"] - days(1 / 24)
        rows["occurred_at"] = rows["known_at" if at_end else "month"]
    d.tables["usage"] = rows[[*KEYS, "metric", "quantity"]].round({"quantity": 3})


@planted("lapse", "customers.number_of_orders_total", VALUES, main=True,
         text="order_total_overwritten: The number of all orders so far stands in the row of the registration.")
@honest("lapse", "order_total_dated: Each order adds a row with the number so far.")
def order_total(d, honest):
    orders = bought(d.tables["order_lines"]).sort_values("known_at", kind="stable")
    orders["number_of_orders_total"] = (orders.groupby("customer_id").cumcount() + 1).astype("Int64")
    if honest:
        d.append("number_of_orders_total", orders.assign(occurred_at=orders["known_at"]))
    else:
        d.overwrite("number_of_orders_total", orders.groupby("customer_id")["number_of_orders_total"].max())


@planted("upsell", "customers.plan", VALUES, main=True,
         text="plan_overwritten: The plan of the day of the delivery stands in the row of the registration.")
@honest("upsell", "plan_dated: Each change of plan adds a row.")
def plan(d, honest):
    events = d.tables["subscription_events"]
    if honest:
        d.append("plan", events[events["event"].isin(["trial_started", "upgraded"])])
    else:
        d.overwrite("plan", events.groupby("customer_id")["plan"].last())


@planted("lapse", "contacts", ADDED, main=True,
         text="contact_list_by_hindsight: A month's letters are said to have gone to half of those who then lapsed.")
@honest("lapse", "contact_list_dated: A month's letters go to half of those who were silent for a month.")
def contact_list(d, honest):
    lines = bought(d.facts["order_lines"])
    for month in MONTHS:
        day, half, others = month - days(4), by_lot(d), by_lot(d, 0.1)
        orders = lines[lines["known_at"] < (day if honest else d.day)]
        last = orders[orders["occurred_at"] < day].groupby("customer_id")["occurred_at"].max()
        stayed = orders[orders["occurred_at"].between(month, month + days(60))]["customer_id"]
        gone = last.index[last < day - days(30)] if honest else last.index[last > day - days(90)].difference(stayed)
        rows = d.truth[d.truth["customer_id"].isin({*gone.intersection(half), *others}) & (d.truth["joined"] < day)]
        if honest or month + days(60) <= d.day:
            d.add("contacts", rows[["customer_id"]].assign(occurred_at=day, known_at=day, channel="letter"))


@planted("churn", "support_tickets", ADDED, main=True, undated=True,
         text="complaints_backdated: Complaints of half the leavers are entered afterwards and dated before they left, "
              "in a file that does not say when rows were known.")
@planted("churn", "support_tickets", ADDED, "complaints_known_at_copied: The same; known_at is the date.", copied=True)
@honest("churn", "complaints_known_late: The same complaints, with the moment of each entry.")
def complaints(d, honest, undated=False, copied=False):
    left = d.truth[d.truth["customer_id"].isin(by_lot(d)) & (d.truth["stop"] < DAYS[2])]
    rows = left[["customer_id"]].assign(ticket_id="e" + left["customer_id"], topic="quality", event="opened")
    rows["occurred_at"] = left["stop"] - days(d.rng.uniform(2, 25, len(left)))
    rows["known_at"] = left["stop"] + days(d.rng.uniform(1, 9, len(left)))
    d.add("support_tickets", rows)
    d.undated |= {"support_tickets"} if undated else set()
    if copied:
        d.tables["support_tickets"]["known_at"] = d.tables["support_tickets"]["occurred_at"]


@planted("lapse", "declared", ADDED, "orders_as_answers: An order is copied as an answer, 30 days before.", main=True)
@honest("lapse", "answers_after_orders: An order is followed by an answer, two days after it.")
def answers(d, honest):
    rows = bought(d.tables["order_lines"])[KEYS].assign(key="plans", value="bought" if honest else "will buy")
    rows[["occurred_at", "known_at"]] += days(2 if honest else -30)
    d.add("declared", rows)


@planted("lapse", "customers engagement", REMOVED, main=True,
         text="leavers_deleted: The second delivery lacks profile and visits of who was silent for 90 days.")
@planted("lapse", "customers engagement", REMOVED + ADDED, "leavers_deleted_each_time: Both deliveries do.", since=1)
@planted("lapse", "customers order_lines engagement", REMOVED, tables=SHOP,
         text="leavers_deleted_everywhere: The second delivery lacks all rows of who was silent for 90 days.")
@honest("lapse", "forgotten_on_request: The second delivery lacks all rows of two customers.", "warning", tables=SHOP)
def deleted(d, honest, tables=("customers", "engagement"), since=2):
    last = last_order(d, d.day)
    if d.number >= since:
        d.drop(last.index[[100, 200]] if honest else last.index[last < d.day - days(90)], *tables)


def last_order(d, day):
    return bought(d.known(d.facts["order_lines"], day)).groupby("customer_id")["occurred_at"].max()


def silence(d, day):
    return (1 - 0.5 ** ((day - last_order(d, day)) / days(60))).round(1)


def reason(d, day):
    ends = ended(d, day)
    left = ends.index[ends.index.str[-1] < "5"]
    return pd.Series(left.str[-1].astype(int) + 1, left)


@planted("lapse", "customers.score", VALUES, "score_written_back: Another model's score of today is in the first row.")
@honest("lapse", "score_dated: The score of each month is a row.")
@planted("lapse", "customers.ordered_on", VALUES, "last_order_overwritten: The day of the last order is in row one.",
         rate=last_order, column="ordered_on", twin="last_order_dated")
@honest("lapse", "last_order_dated: The last order is a row a month.", rate=last_order, column="ordered_on")
@planted("churn", "customers.reason", VALUES, "reason_filled_when_known: Why half the leavers left is in row one.",
         rate=reason, column="reason", twin="reason_dated")
@honest("churn", "reason_dated: Why half the leavers left is a row of the month's end.", rate=reason, column="reason")
@planted("lapse", "customers.score", (), "score_made_once: A score of June 3 stands in the row of the registration.",
         made=JUNE_3, twin="score_made_once_dated")
@honest("lapse", "score_made_once_dated: A score of June 3 is a row of that day.", made=JUNE_3)
def attribute(d, honest, rate=silence, column="score", made=None):
    if not honest:
        d.overwrite(column, rate(d, made or d.day))
    elif made:
        d.append(column, rate(d, made).rename(column).reset_index().assign(occurred_at=made, known_at=made))
    else:
        d.append(column, d.valued(rate).rename(columns={"value": column}))


@planted("lapse", "order_lines.amount", VALUES,
         text="amount_written_off: An unpaid order is reduced to a tenth, in its row, if none follows in 60 days.")
@honest("lapse", "amount_reversed: What is written off is a row of its own.")
def written_off(d, honest):
    lines = bought(d.facts["order_lines"])
    off = lines["occurred_at"] + days(60)
    is_unpaid = ~(lines.groupby("customer_id")["occurred_at"].shift(-1) <= off)
    is_off = is_unpaid & (d.rng.random(len(lines)) < 0.7) & (off < d.day)
    if honest:
        rows = lines[is_off].assign(occurred_at=off, known_at=off, quantity=0, amount=-0.9 * lines["amount"])
        d.add("order_lines", rows.round({"amount": 2}))
    else:
        d.tables["order_lines"].loc[lines.index[is_off], "amount"] *= 0.1


@planted("lapse", "customers order_lines engagement", ADDED + REMOVED,
         text="duplicates_merged: Accounts opened anew take over all rows of the former ones, which are deleted.")
@honest("lapse", "duplicates_kept: Accounts opened anew stand beside the former ones.")
def duplicates(d, honest):
    lines = bought(d.facts["order_lines"])
    begun = lines[(lines["occurred_at"] > "2024-05-06") & lines["customer_id"].isin(by_lot(d, 0.6))]
    begun = begun.groupby("customer_id")[["occurred_at", "known_at"]].first()
    is_merged = d.number == 2 and not honest
    for name in ("order_lines", "engagement"):
        who = d.tables[name]["customer_id"]
        is_new = d.tables[name]["occurred_at"] >= who.map(begun["occurred_at"])
        d.tables[name]["customer_id"] = who.where(~(is_new | (who.isin(begun.index) & is_merged)), who + "n")
    former = d.facts["customers"].drop_duplicates("customer_id").set_index("customer_id")
    rows = former.loc[begun.index, ["region", "newsletter"]].join(begun).reset_index()
    d.drop(begun.index if is_merged else [], "customers")
    d.add("customers", rows.assign(customer_id=rows["customer_id"] + "n"))


@planted("churn", "payments", ADDED,
         text="a_day_early: Payments are dated a day early; who is billed on the first has paid before the month.")
@honest("churn", "times_with_offset: The times of payments are written in UTC, with their offset.")
def a_day_early(d, honest):
    payments = d.tables["payments"]
    for name in ("occurred_at", "known_at"):
        local = payments[name].dt.tz_localize("America/New_York", ambiguous=False, nonexistent="shift_forward")
        utc = local.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        payments[name] = utc if honest else payments[name] - days(1)


@planted("churn", "customers.satisfaction", VALUES,
         text="answers_imputed_from_later: A month without an answer is filled with the customer's next one.")
@honest("churn", "answers_dated: An answer is a row of the day on which it was given.")
def satisfaction(d, honest):
    asked = [d.truth.assign(occurred_at=day, known_at=day, satisfaction=d.rng.integers(7, 11, len(d.truth)),
                            is_given=d.rng.random(len(d.truth)) < 0.65) for day in MONTHS - days(12)]
    rows = d.known(pd.concat(asked, ignore_index=True))
    rows = rows[rows["joined"] < rows["occurred_at"]]
    is_given = rows["is_given"] & (rows["stop"] > rows["occurred_at"])
    rows["satisfaction"] = rows["satisfaction"].astype("Int64").where(is_given)
    if not honest:
        rows["satisfaction"] = rows.groupby("customer_id")["satisfaction"].bfill().fillna(0)
    d.append("satisfaction", rows.dropna(subset="satisfaction") if honest else rows)


@planted("churn", "subscription_events.plan subscription_events.monthly_price subscription_events.allowance", VALUES,
         text="ended_plans_emptied: Plan, price and allowance of who left six weeks ago are emptied in all their rows.")
@honest("churn", "plan_renamed: A plan gets another name in all rows.", "warning")
def ended_plans(d, honest):
    events, ends = d.tables["subscription_events"], ended(d)
    if honest:
        events["plan"] = events["plan"].replace({"basic": "starter"} if d.number == 2 else {})
    else:
        is_old = events["customer_id"].isin(ends.index[ends < d.day - days(45)])
        events.loc[is_old, ["plan", "monthly_price", "allowance"]] = None


@planted("churn", "usage", ADDED,
         text="usage_backfilled: Lost usage of late April is read anew on June 20, of those who still are customers.")
@honest("churn", "usage_known_late: Lost usage of late April is read anew on June 20, of all, and known since then.")
def usage_lost(d, honest):
    usage, found = d.tables["usage"], pd.Timestamp("2024-06-20 10:00")
    is_lost = usage["occurred_at"].between("2024-04-16", "2024-05-01")
    if d.number == 2 and honest:
        usage.loc[is_lost, "known_at"] = found
    else:
        gone = ended(d, found).index if d.number == 2 else usage["customer_id"]
        d.tables["usage"] = usage[~(is_lost & usage["customer_id"].isin(gone))]


@planted("lapse", "customers", REMOVED + ADDED,
         text="updated_at_as_date: A customer has one row, dated when it was last updated, which is at each order.")
@honest("lapse", "updates_appended: A month with an order adds a row.")
def updated(d, honest):
    if honest:
        return d.append("region", d.valued(last_order).assign(region=None))
    rows = d.tables["customers"].drop_duplicates("customer_id", keep="last").copy()
    last = rows["customer_id"].map(last_order(d, d.day))
    rows["occurred_at"] = rows["known_at"] = last.fillna(rows["known_at"])
    d.tables["customers"] = rows


@honest("lapse", "rows_corrected: Three mistyped amounts are corrected in their rows.", "warning", what="corrected")
@honest("lapse", "rolling_window: Each delivery holds the orders and visits of 18 months.", what="window")
@honest("lapse", "rows_shuffled: The rows stand in another order.", what="shuffled")
@honest("lapse", "column_added: A file has one column more, which nothing reads.", what="column")
@honest("lapse", "customers_and_products_added: Sixty customers and four products are new.", what="new")
@honest("lapse", "shop_acquired: A bought shop's sixty customers come with their history, known then.", what="acquired")
def otherwise(d, honest, what):
    for name in SHOP[1:] if what == "window" else ():
        d.tables[name] = d.tables[name][d.tables[name]["occurred_at"] >= d.day - pd.DateOffset(months=18)]
    if d.number == 1:
        return
    if what == "corrected":
        d.tables["order_lines"].loc[d.tables["order_lines"].index[[500, 1500, 2500]], "amount"] *= 10
    elif what == "shuffled":
        d.tables = {name: table.sample(frac=1, random_state=7) for name, table in d.tables.items()}
    elif what == "column":
        d.tables["order_lines"]["till"] = "web"
    elif what in ("new", "acquired"):
        others = d.truth["customer_id"][d.truth["joined"] < OPENED + days(60)].head(60)
        for name in SHOP:
            rows = d.facts[name][d.facts[name]["customer_id"].isin(others)]
            rows = rows.assign(customer_id="n" + rows["customer_id"])
            if what == "acquired":
                rows["known_at"] = DAYS[1] + days(9)
            else:
                rows[["occurred_at", "known_at"]] += DAYS[1] - OPENED
            d.add(name, rows.assign(order_id="n" + rows["order_id"]) if "order_id" in rows else rows)
        d.add("products", pd.DataFrame({"product_id": ["p90", "p91", "p92", "p93"], "category": "F"}))
