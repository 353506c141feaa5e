"""Tenure in Airflow: decide every day after the scores; answer what has arrived since every five minutes."""

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

DECIDE = '<tenure> decide <source> --as-of "$(date +%F)" --workspace <workspace> --log json'

for name, when, more in (("decide", "30 5 * * *", "--wait 240"), ("answer", "*/5 6-21 * * *", "--since last --wait 4")):
    with DAG(
        f"tenure_{name}_<source>", schedule=when, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1
    ):
        BashOperator(task_id=name, bash_command=f"{DECIDE} {more}")
