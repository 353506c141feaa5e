"""The demo company: a seeded simulation, and its truth."""

from tenure.demo.generate import generate_demo
from tenure.demo.truth import true_probabilities

__all__ = ["generate_demo", "true_probabilities"]
