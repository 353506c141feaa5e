"""Every programme that the documentation shows is read as it stands there."""

import re
from pathlib import Path

import pytest

from tables import staged
from tenure.decisions.document import read_policy

TEXT = (Path(__file__).parents[2] / "docs" / "programmes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:^    .*\n|^\n)+", TEXT, flags=re.MULTILINE)
ACTIONS = [block for block in BLOCKS if "[actions." in block]
CHANNELS = "".join(f'[channels.{name}]\nconsent = ""\n' for name in ("email", "phone", "app"))
MAPPING = 'name = "shop"\n[order_lines]\nfrom = "order_lines.csv"\nextra = { child_size = "child_size" }\n'


@pytest.mark.parametrize("block", ACTIONS, ids=range(len(ACTIONS)))
def test_it_is_a_policy(tmp_path, block):
    written = "\n".join(line[4:] for line in block.splitlines())
    orders = ("customer_id occurred_at order_id amount child_size", "ana 2026-01-05 1 10 4")
    policy = read_policy(staged(tmp_path, MAPPING + CHANNELS + written, order_lines=orders).source)
    assert set(policy.actions) == set(re.findall(r"\[actions\.(\w+)\]", block))


def test_all_kinds_are_shown():
    assert len(ACTIONS) == 3
    for kind in ("expression =", "becomes =", "date =", "unless =", "yearly =", "then =", "price =", "content ="):
        assert kind in TEXT
