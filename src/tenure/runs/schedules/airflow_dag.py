"""Tenure in Airflow: score every day, notebook by notebook with the Papermill operator; run the whole flow every month.

Airflow keeps an environment of its own. Tell its Jupyter of Tenure's, once: <python> -m ipykernel install --user --name tenure
"""

from datetime import datetime, timedelta

from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

DAY = "{{ ds }}"
# The monthly run may hold the source while a notebook would begin.
AGAIN = {"retries": 3, "retry_delay": timedelta(minutes=30)}
WHERE = {"source": "<source>", "as_of": DAY, "workspace": "<workspace>"}
EXECUTED = f"<workspace>/reports/<source>/{DAY}/notebooks"

with DAG(
    "tenure_score_<source>",
    schedule="0 5 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=AGAIN,
):
    steps = [
        PapermillOperator(
            task_id=notebook,
            input_nb=f"<notebooks>/{notebook}.ipynb",
            output_nb=f"{EXECUTED}/{notebook}.ipynb",
            parameters=WHERE,
            kernel_name="tenure",
            language_name="python",
        )
        for notebook in ("04_score", "06_review")
    ]
    # Puts the day's folder in its place, whole, with run.json, and fails on an alert that is an error. The same scores are kept once.
    commit = BashOperator(
        task_id="commit",
        bash_command=f"<tenure> score <source> --as-of {DAY} --workspace <workspace> --wait 240 --fail-on error --log json",
    )
    steps[0] >> steps[1] >> commit

with DAG(
    "tenure_run_<source>", schedule="0 6 1 * *", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1
):
    BashOperator(
        task_id="run",
        bash_command="<tenure> run <source> --workspace <workspace> --wait 240 --fail-on error --log json",
    )
