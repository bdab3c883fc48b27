"""Other trainers' commands and files as recipes: pure, without torch and without the daemon."""

from __future__ import annotations

from lorad.tui.imports.reading import Imported, import_config, import_source

__all__ = ["Imported", "import_config", "import_source"]
