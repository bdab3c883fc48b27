"""A run in this very process, without a daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import Tensor

from lorad.daemon.training.loop import train
from lorad.shared.messages import AnyReport, Assignment, Order, PointReport, Wanted
from lorad.shared.recipe import load_recipe


class Line:
    """Collects the reports; `stop_after` is a step after which a pause is wanted."""

    def __init__(
        self, stop_after: int | None = None, hook: Callable[[AnyReport], None] | None = None
    ) -> None:
        self.reports: list[AnyReport] = []
        self.given: list[Order] = []
        self._stop_after = stop_after
        self._hook = hook

    @property
    def wanted(self) -> Wanted:
        steps = [r.point.step for r in self.reports if isinstance(r, PointReport)]
        if self._stop_after is not None and steps and steps[-1] >= self._stop_after:
            return "pause"
        return "run"

    def settle(self) -> None:
        """They are in memory."""

    def orders(self) -> list[Order]:
        """What a hook put in `given`, each once."""
        given, self.given = self.given, []
        return given

    def report(self, *reports: AnyReport) -> None:
        for report in reports:
            self.reports.append(report)
            if self._hook is not None:
                self._hook(report)

    @property
    def losses(self) -> dict[int, float]:
        return {r.point.step: r.point.loss for r in self.reports if isinstance(r, PointReport)}


def task_of(recipe: Path, out: Path, *, fresh: bool = False) -> Assignment:
    return Assignment(
        id=1,
        recipe=load_recipe(recipe)[0],
        recipe_folder=str(recipe.parent),
        folder=str(out),
        cache=str(recipe.parent / "cache"),
        fresh=fresh,
    )


def run(recipe: Path, out: Path, line: Line, *, fresh: bool = False) -> str:
    return run_task(task_of(recipe, out, fresh=fresh), line)


def run_task(assignment: Assignment, line: Line) -> str:
    AcceleratorState._reset_state()  # one process trains in one precision; a test's in several
    return train(assignment, line).outcome


def weights(out: Path) -> dict[str, Tensor]:
    newest = max(out.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    parts = ("adapter", "optimizer", "ema")
    files = {part: newest / f"{part}.safetensors" for part in parts}
    return {
        f"{part} {name}": tensor
        for part, file in files.items()
        if file.exists()
        for name, tensor in load_file(file).items()
    }
