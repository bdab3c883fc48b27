"""Make the demo's pictures: 48 emoji in black and white, from Fluent's high-contrast set (MIT).

npm pack @iconify-json/fluent-emoji-high-contrast
tar xzf iconify-json-fluent-emoji-high-contrast-*.tgz
pip install cairosvg
python examples/make_demo_set.py package/icons.json pictures
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import cairosvg

SIZE = 64
NAMES = (
    "alarm-clock", "ambulance", "anchor", "avocado", "baby-chick",
    "banana", "bear", "bell", "bicycle", "birthday-cake",
    "butterfly", "cactus", "camera", "cat-face", "cherries",
    "cow-face", "crown", "dog-face", "duck", "eagle",
    "eggplant", "elephant", "evergreen-tree", "fish", "fox",
    "ghost", "grapes", "grinning-face", "guitar", "hamburger",
    "hot-beverage", "house", "key", "leaf-fluttering-in-wind", "light-bulb",
    "mushroom", "octopus", "owl", "panda", "pear",
    "pineapple", "rabbit-face", "red-heart", "rocket", "sailboat",
    "snowman", "star", "watermelon",
)  # fmt: skip


def main(icons_file: Path, folder: Path) -> None:
    """Draw every emoji in black on white, with its name as the caption."""
    icons = json.loads(icons_file.read_text())["icons"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["file_name", "text"])
        for name in NAMES:
            body = icons[name]["body"].replace("currentColor", "#000")
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{body}</svg>'
            cairosvg.svg2png(
                svg.encode(),
                write_to=str(folder / f"{name}.png"),
                output_width=SIZE,
                output_height=SIZE,
                background_color="white",
            )
            rows.writerow([f"{name}.png", name.replace("-", " ")])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
