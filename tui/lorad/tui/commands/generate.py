"""`lorad generate`: draw a picture with what a job has learned, or with a LoRA file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from lorad.shared.endpoints import expanded
from lorad.shared.errors import BaseUnnamed, NoOutput, NotWritable
from lorad.shared.jobs import LORA_FILE
from lorad.shared.messages import GetRecipe
from lorad.shared.recipe import Sample, parse_recipe
from lorad.tui.commands import _arguments
from lorad.tui.commands._tools import run_tool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A LoRA, a prompt, and how to draw; what is not said is as in the recipe's `[sample]`."""
    parser.add_argument(
        "lora", metavar="ID|FILE", type=_lora, help="the job's number, or a .safetensors LoRA file"
    )
    parser.add_argument("prompt", metavar="PROMPT")
    parser.add_argument("--base", metavar="MODEL", help="the model that the LoRA file is for")
    parser.add_argument("--seed", metavar="N", type=_arguments.integer)
    parser.add_argument("--steps", metavar="N", type=_arguments.count)
    parser.add_argument("--guidance", metavar="X", type=_arguments.number)
    parser.add_argument(
        "--scale", metavar="X", type=_arguments.number, default=1.0, help="the LoRA's strength"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="the picture to write, in place of what is there; else a new one in this folder",
    )


def run(args: argparse.Namespace) -> int:
    """Find out where the LoRA is, and have it drawn."""
    if args.out is not None and not args.out.parent.is_dir():
        raise NotWritable(path=args.out, why="its folder does not exist")
    if isinstance(args.lora, Path):
        if args.base is None:
            raise BaseUnnamed()
        of_file: dict[str, object] = {"lora": args.lora.absolute(), "base": args.base}
        return run_tool("generate", *_options(args, args.lora.stem, Sample(), of_file))
    with _arguments.connect() as daemon:
        job = daemon.job(args.lora)
        sample = parse_recipe(daemon.ask(GetRecipe(id=args.lora)).recipe).sample
    if not (Path(job.folder) / LORA_FILE).is_file():
        raise NoOutput(id=job.id)
    of_job: dict[str, object] = {"folder": job.folder}
    return run_tool("generate", *_options(args, f"{job.name}-{job.id}", sample, of_job))


def _lora(text: str) -> int | Path:
    """A job's number or a file."""
    return expanded(text) if text.endswith(".safetensors") else _arguments.job_id(text)


def _options(
    args: argparse.Namespace, name: str, sample: Sample, whose: dict[str, object]
) -> list[str]:
    seed = sample.seed if args.seed is None else args.seed
    options = whose | {
        "prompt": args.prompt,
        "seed": seed,
        "steps": sample.num_inference_steps if args.steps is None else args.steps,
        "guidance": sample.guidance_scale if args.guidance is None else args.guidance,
        "scale": args.scale,
        "out": args.out or f"{name}-{_slug(args.prompt)}-{seed}.png",
    }
    # `--name=value`, for a prompt may begin with a dash.
    words = [f"--{name}={value}" for name, value in options.items()]
    return words if args.out else [*words, "--keep"]  # a name that nobody chose takes no other's


def _slug(prompt: str) -> str:
    """The prompt as part of a file's name."""
    return re.sub(r"\W+", "-", prompt).strip("-")[:40].rstrip("-") or "picture"
