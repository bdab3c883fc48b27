"""The model and the demo that come with lorad, from a checkout and from the wheel alike."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped_files"

MODELS = {"emoji": _FOLDER / "emoji"}
"""Names that `model.base` knows, and their diffusers folders."""

DEMO = _FOLDER / "demo"
"""The demo's recipe and pictures; copied before use, since output goes beside a recipe."""
