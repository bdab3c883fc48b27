"""The words before a training script: accelerate's, torchrun's, python's."""

from __future__ import annotations

from typing import NamedTuple

from lorad.tui.imports.arguments import convert
from lorad.tui.imports.draft import Draft, told

PRECISIONS = ("no", "fp16", "bf16")


class Launcher(NamedTuple):
    """What a launcher decides of a run."""

    num_processes: int = 1
    mixed_precision: str | None = None


def read_launcher(words: list[str], draft: Draft) -> Launcher:
    """Processes and precision; the rest is remarked, since lorad starts its processes itself."""
    options = _options(words)
    precision = options.pop("mixed_precision", None)
    if precision is not None and precision not in PRECISIONS:
        draft.remark("--mixed_precision", f"lorad does not know {told(precision)}.")
        precision = None
    count = options.pop("num_processes", None) or options.pop("nproc_per_node", None)
    multi = options.pop("multi_gpu", None)
    if multi is not None and count is None:
        draft.remark(
            "--multi_gpu",
            "without --num_processes it takes all GPUs: set train.num_processes to their number, "
            "and train.train_batch_size to as many times what it is here.",
        )
    machines = options.pop("num_machines", "1")
    if machines not in ("", "1"):
        draft.remark("--num_machines", "a run stays on one machine.")
    if "config_file" in options:
        options.pop("config_file")
        draft.remark(
            "--config_file",
            "accelerate's own file is not read; compare precision and number of processes.",
        )
    if options:
        names = ", ".join(f"--{name}" for name in options)
        draft.remark(names, "the launcher's, left out: the daemon starts a run's processes.")
    processes = convert("num_processes", "whole", count) if count else 1
    return Launcher(max(processes, 1), precision)


def _options(words: list[str]) -> dict[str, str]:
    """Each `--name value` or `--name=value`; a switch has an empty value."""
    options: dict[str, str] = {}
    for place, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        following = words[place + 1 : place + 2]
        if not equals and following and not following[0].startswith("-"):
            value = following[0]
        options[name.replace("-", "_")] = value
    return options
