"""The model families: each one says only how it differs from the others."""

from __future__ import annotations

from lorad.daemon.training.families.base import Family
from lorad.daemon.training.families.registry import import_family, load_family

__all__ = ["Family", "import_family", "load_family"]
