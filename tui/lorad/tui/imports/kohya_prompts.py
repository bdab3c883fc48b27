"""kohya's prompt files: lines such as `a cat --n blurry --w 512 --h 768 --d 1 --l 7 --s 25`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lorad.shared.toml import read_toml
from lorad.tui.imports.draft import Draft, side, told

_OPTIONS = {
    "w": ("width", int), "h": ("height", int), "d": ("seed", int), "s": ("steps", int),
    "l": ("scale", float), "g": ("guidance_scale", float), "n": ("negative_prompt", str),
}  # fmt: skip
"""After library/train_util.py: line_to_prompt_dict."""


def read_prompts(path: str, draft: Draft) -> list[dict[str, Any]]:
    """The prompts of a .txt, .toml or .json file as tables of `[sample] prompts`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        tables = _parse(text, Path(path).suffix)
        return [prompt for table in tables if (prompt := _prompt(table, draft))]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError,
            RecursionError) as error:  # fmt: skip
        why = error.strerror if isinstance(error, OSError) else "it is not of kohya's form"
        draft.remark("--sample_prompts", f"{path} was not read ({why}): set sample.prompts.")
        return []


def _parse(text: str, suffix: str) -> list[dict[str, Any]]:
    if suffix == ".toml":
        shared = read_toml(text)["prompt"]
        return [{**shared, **subset} for subset in shared["subset"]]
    lines = json.loads(text) if suffix == ".json" else text.splitlines()
    return [
        _line(line) if isinstance(line, str) else dict(line)
        for line in lines
        if not isinstance(line, str) or (line.strip() and not line.startswith("#"))
    ]


def _line(line: str) -> dict[str, Any]:
    prompt, *options = line.strip().split(" --")
    table: dict[str, Any] = {"prompt": prompt}
    for option in options:
        letter, _, value = option.partition(" ")
        key, kind = _OPTIONS.get(letter.lower(), ("", str))
        number = re.match(r"[\d.]+", value) if kind is not str else None
        if not key or (kind is not str and number is None):
            table.setdefault("unknown", []).append(f"--{option}")
        else:
            table[key] = kind(number[0]) if number else value
    return table


def _prompt(table: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """One prompt in lorad's keys; kohya cuts sizes to multiples of 8 as well."""
    prompt: dict[str, Any] = {"prompt": str(table.get("prompt", ""))}
    for option in table.get("unknown", []):
        draft.remark("--sample_prompts", f"{told(option)} has no counterpart; it is left out.")
    if table.get("negative_prompt"):
        prompt["negative_prompt"] = str(table["negative_prompt"])
    if "seed" in table:
        prompt["seed"] = int(table["seed"])
    for key in ("width", "height"):
        if key in table:
            prompt[key] = side(int(table[key]) // 8 * 8)
    if "steps" in table or "sample_steps" in table:
        steps = int(table.get("steps", table.get("sample_steps", 30)))
        prompt["num_inference_steps"] = max(1, min(1000, steps))
    if "scale" in table or "guidance_scale" in table:
        prompt["guidance_scale"] = float(
            table["scale"] if "scale" in table else table["guidance_scale"]
        )
    return prompt
