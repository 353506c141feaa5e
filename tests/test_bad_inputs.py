"""A sample of ``benchmarks/bad_inputs.py``: bad parameters, mappings and raw files end in one message, and leave nothing half-written."""

import importlib.util
from pathlib import Path

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "bad_inputs.py"


def test_bad_inputs_end_in_one_message_with_the_right_exit_code_and_nothing_half_written(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARK.parent)  # it imports its neighbours
    spec = importlib.util.spec_from_file_location("bad_inputs", BENCHMARK)
    bad_inputs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bad_inputs)
    tallies = bad_inputs.measure(24)
    assert [tally.wrong for tally in tallies] == [[], [], []]
    assert sum(tally.examples for tally in tallies) == 24
    assert sum(tally.ends["exit 2"] for tally in tallies) > 14, "most of it is bad, and said to be"
