"""The bare loop: bare.py RECIPE OUT prints the median seconds of a step."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from lorad.daemon.training.begin import begin
from lorad.shared.messages import AnyReport, Assignment, Order, PointReport
from lorad.shared.recipe import load_recipe

seconds: list[float] = []


class Nobody:
    """Takes the figures of a step and does nothing with them."""

    wanted = "run"

    def report(self, *reports: AnyReport) -> None:
        for report in reports:
            if isinstance(report, PointReport) and report.point.step > 20:
                seconds.append(4 / report.point.images_per_second)

    def settle(self) -> None:
        pass

    def orders(self) -> list[Order]:
        return []


def assignment(recipe: Path, out: Path) -> Assignment:
    return Assignment(
        id=1, recipe=load_recipe(recipe)[0], recipe_folder=str(recipe.parent), folder=str(out),
        cache=str(out.parent / "cache"), fresh=True,
    )  # fmt: skip


if __name__ == "__main__":
    begin(assignment(Path(sys.argv[1]), Path(sys.argv[2])), Nobody())
    print(statistics.median(seconds) if seconds else "too few steps")
