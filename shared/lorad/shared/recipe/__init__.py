"""The recipe: one TOML file is one run."""

from __future__ import annotations

from lorad.shared.recipe.reading import load_recipe, parse_recipe
from lorad.shared.recipe.sections import (
    Buckets,
    Data,
    Log,
    Lora,
    Model,
    Objective,
    Optimizer,
    Output,
    Prompt,
    Recipe,
    Sample,
    Schedule,
    Train,
    Validate,
)
from lorad.shared.recipe.template import template

__all__ = [
    "Buckets",
    "Data",
    "Log",
    "Lora",
    "Model",
    "Objective",
    "Optimizer",
    "Output",
    "Prompt",
    "Recipe",
    "Sample",
    "Schedule",
    "Train",
    "Validate",
    "load_recipe",
    "parse_recipe",
    "template",
]
