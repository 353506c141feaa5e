"""The sample of the literature, cut from the whole CDNOW cohort as Fader and Hardie (2013) describe it."""

from functools import reduce
from operator import add
from pathlib import Path

import duckdb
import pandas as pd

CALIBRATION_DAYS = 273  # 39 weeks


def purchases(data: Path) -> pd.DataFrame:
    """=> customer_id, day (1 = 1997-01-01), amount, known, is_purchase; purchases of one day are one."""
    rows = duckdb.sql(
        f"""
        SELECT customer_id, dollar_value AS amount,
               date_diff('day', DATE '1996-12-31', strptime(CAST("date" AS VARCHAR), '%Y%m%d')::DATE)::INT AS day
        FROM read_parquet('{data / "cdnow" / "cdnow_master.parquet"}')"""
    ).df()
    daily = rows.groupby(["customer_id", "day"], as_index=False)["amount"].sum()
    return daily.assign(known=daily["day"], is_purchase=True)


def systematic_sample(bought: pd.DataFrame) -> pd.DataFrame:
    """Take every tenth customer, sorted by week of the first purchase, then by what was spent again within 39 weeks.

    Equal sums are told apart by the last bits of a plain running sum less the first purchase, as they were when the
    sample was drawn (pandas' own sum corrects those bits away).
    """
    known = bought[bought["day"] <= CALIBRATION_DAYS].groupby("customer_id")
    spent = known["amount"].agg(lambda amounts: reduce(add, amounts)) - known["amount"].first()
    customers = pd.DataFrame({"week": (known["day"].min() - 1) // 7, "spent": spent}).reset_index()
    customers = customers.sort_values(["week", "spent", "customer_id"], ascending=[True, False, True])
    return bought[bought["customer_id"].isin(customers["customer_id"].iloc[9::10])]
