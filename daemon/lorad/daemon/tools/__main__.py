"""`python -m lorad.daemon.tools VERB …`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lorad.shared.errors import LoradError, TrainingNotInstalled


def main() -> int:
    """Do the verb; the exit code."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    args = _parser().parse_args()
    try:
        if args.verb == "check":
            from lorad.daemon.tools.check import check

            return check(args.file, as_json=args.json)
        from lorad.daemon.tools.generate import Wish, generate

        wish = Wish(args.prompt, args.seed, args.steps, args.guidance, args.scale)
        print(generate(args.folder, wish, args.out))
        return 0
    except ModuleNotFoundError as error:
        print(f"lorad: {TrainingNotInstalled(missing=error.name)}", file=sys.stderr)
        return TrainingNotInstalled.exit_code
    except LoradError as error:
        print(f"lorad: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lorad.daemon.tools")
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="look a recipe and its data over without training")
    check.add_argument("file", type=Path)
    check.add_argument("--json", action="store_true")
    generate = verbs.add_parser("generate", help="draw a picture with a LoRA")
    generate.add_argument("--folder", type=Path, required=True, help="a job's output")
    generate.add_argument("--prompt", required=True)
    generate.add_argument("--seed", type=int, default=1)
    generate.add_argument("--steps", type=int)
    generate.add_argument("--guidance", type=float)
    generate.add_argument("--scale", type=float, default=1.0)
    generate.add_argument("--out", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
