"""The demo company: a seeded simulation, what actions cause in it, and its truth."""

from tenure.demo.company import Company
from tenure.demo.generate import generate_demo
from tenure.demo.true_effects import true_effects
from tenure.demo.truth import true_probabilities

__all__ = ["Company", "generate_demo", "true_effects", "true_probabilities"]
