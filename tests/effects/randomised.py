"""Randomised contacts drawn with a known effect for each customer."""

import numpy as np
import pandas as pd

FEATURES = ["need", "age", "town", "noise_1", "noise_2"]


def contacts(count, *, slope=1.0, seed=1, unit="share", chance=0.5, mean=0.05):
    """Who has more need is moved more; ``effect`` is the truth, ``chance`` that of being treated."""
    generator = np.random.default_rng(seed)
    need, age, *noise = generator.normal(size=(4, count))
    effect = mean + slope * 0.12 * need
    treated = generator.random(count) < chance
    rows = pd.DataFrame({
        "customer_id": np.arange(count), "is_treated": treated, "chance": np.where(treated, chance, 1 - chance),
        "need": need, "age": np.where(generator.random(count) < 0.2, np.nan, age), "town": generator.choice(["a", "b"], count),
        "noise_1": noise[0], "noise_2": noise[1], "effect": effect,
    })  # fmt: skip
    rate = 0.4 + 0.1 * np.tanh(age) + treated * effect
    if unit == "share":
        return rows.assign(outcome=(generator.random(count) < np.clip(rate, 0, 1)).astype(float))
    return rows.assign(outcome=50 * rate + 10 * generator.normal(size=count), effect=50 * effect)
