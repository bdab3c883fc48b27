"""`lorad generate`: draw a picture with what a job has learned."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from lorad.shared.errors import NoOutput, NotWritable
from lorad.shared.jobs import Job
from lorad.shared.messages import GetRecipe
from lorad.shared.recipe import Sample, parse_recipe
from lorad.tui.commands import _arguments
from lorad.tui.commands._tools import run_tool

WEIGHTS = "pytorch_lora_weights.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job, a prompt, and how to draw; what is not said is as in the recipe's `[sample]`."""
    _arguments.add_id(parser)
    parser.add_argument("prompt", metavar="PROMPT")
    parser.add_argument("--seed", metavar="N", type=_arguments.integer)
    parser.add_argument("--steps", metavar="N", type=_arguments.count)
    parser.add_argument("--guidance", metavar="X", type=_arguments.number)
    parser.add_argument(
        "--scale", metavar="X", type=_arguments.number, default=1.0, help="the LoRA's strength"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="the picture to write")


def run(args: argparse.Namespace) -> int:
    """Ask where the LoRA is, and have it drawn."""
    if args.out is not None and not args.out.parent.is_dir():
        raise NotWritable(path=args.out, why="its folder does not exist")
    with _arguments.connect() as daemon:
        job = daemon.job(args.id)
        sample = parse_recipe(daemon.ask(GetRecipe(id=args.id)).recipe).sample
    if not (Path(job.folder) / WEIGHTS).is_file():
        raise NoOutput(id=job.id)
    return run_tool("generate", "--folder", job.folder, *_options(args, job, sample))


def _options(args: argparse.Namespace, job: Job, sample: Sample) -> list[str]:
    seed = sample.seed if args.seed is None else args.seed
    options = {
        "prompt": args.prompt,
        "seed": seed,
        "steps": sample.num_inference_steps if args.steps is None else args.steps,
        "guidance": sample.guidance_scale if args.guidance is None else args.guidance,
        "scale": args.scale,
        "out": args.out or f"{job.name}-{job.id}-{_slug(args.prompt)}-{seed}.png",
    }
    # `--name=value`, for a prompt may begin with a dash.
    return [f"--{name}={value}" for name, value in options.items()]


def _slug(prompt: str) -> str:
    """The prompt as part of a file's name."""
    return re.sub(r"\W+", "-", prompt).strip("-")[:40].rstrip("-") or "picture"
