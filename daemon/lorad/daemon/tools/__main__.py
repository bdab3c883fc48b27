"""`python -m lorad.daemon.tools VERB …`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from msgspec import to_builtins

from lorad.shared.clean import first_line
from lorad.shared.errors import LoradError, TrainingNotInstalled, Unforeseen
from lorad.shared.redact import redact


def main() -> int:
    """Do the verb; the exit code."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] = "1"
    args = _parser().parse_args()
    # As Ctrl-C: what was begun is ended, and temporary folders are removed.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    try:
        if args.verb == "check":
            from lorad.daemon.tools.check import check

            return check(args.file, as_json=args.json, folder=args.folder)
        if args.verb == "box":
            from lorad.daemon.tools.box import box

            return box()
        if args.verb == "selftest":
            return _selftest(args)
        if args.verb in ("convert", "merge", "push"):
            print(_lora(args))
            return 0
        from lorad.daemon.tools.generate import Wish, generate, of_file, of_job

        lora = of_file(args.lora, args.base) if args.lora else of_job(args.folder)
        wish = Wish(args.prompt, args.seed, args.steps, args.guidance, args.scale)
        print(generate(lora, wish, args.out, keep=args.keep))
        return 0
    except ModuleNotFoundError as error:
        print(f"lorad: {TrainingNotInstalled(missing=error.name)}", file=sys.stderr)
        return TrainingNotInstalled.exit_code
    except LoradError as error:
        print(f"lorad: {redact(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    # A damaged file, a full card, a library's own mistake: whoever asked gets a sentence.
    except Exception as error:
        if os.environ.get("LORAD_TRACEBACK"):
            raise
        what = first_line(f"{type(error).__name__}: {error}")
        print(f"lorad: {Unforeseen(what=what)}", file=sys.stderr)
        return Unforeseen.exit_code


def _end(number: int, frame: object) -> None:
    # A terminal that goes says so to all of its processes, and `lorad` passes it on: a second
    # one would end the ending.
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + number)


def _selftest(args: argparse.Namespace) -> int:
    """Print what came of it; 1 where something differed."""
    from lorad.daemon.tools.selftest import readable, selftest

    found = selftest(args.kill, args.seed)
    print(json.dumps(to_builtins(found)) if args.json else readable(found))
    return 0 if found.passed else 1


def _lora(args: argparse.Namespace) -> object:
    """One of the verbs on LoRA files; what it made."""
    if args.verb == "convert":
        from lorad.daemon.tools.convert import convert

        return convert(args.file, args.to, args.out)
    if args.verb == "merge":
        from lorad.daemon.tools.merge import merge

        return merge(args.file, args.base, args.out, args.scale)
    from lorad.daemon.tools.push import push

    return push(args.folder, args.repo, private=args.private)


def _add_lora_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    convert = verbs.add_parser("convert", help="a LoRA file with other keys")
    convert.add_argument("--file", type=Path, required=True)
    convert.add_argument("--to", choices=("kohya", "diffusers"))
    convert.add_argument("--out", type=Path)
    merge = verbs.add_parser("merge", help="a model and a LoRA as one")
    merge.add_argument("--file", type=Path, required=True)
    merge.add_argument("--base", required=True)
    merge.add_argument("--out", type=Path, required=True)
    merge.add_argument("--scale", type=float, default=1.0)
    push = verbs.add_parser("push", help="a run's LoRA to the hub")
    push.add_argument("--folder", type=Path, required=True)
    push.add_argument("--repo", required=True)
    push.add_argument("--private", action="store_true")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lorad.daemon.tools")
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="look a recipe and its data over without training")
    check.add_argument("file", type=Path)
    check.add_argument("--json", action="store_true")
    check.add_argument("--folder", type=Path, help="of a recipe from stdin (FILE is -)")
    generate = verbs.add_parser("generate", help="draw a picture with a LoRA")
    whose = generate.add_mutually_exclusive_group(required=True)
    whose.add_argument("--folder", type=Path, help="a job's output")
    whose.add_argument("--lora", type=Path, help="or a LoRA file")
    generate.add_argument("--base", default="", help="the model that the file is for")
    generate.add_argument("--prompt", required=True)
    generate.add_argument("--seed", type=int, default=1)
    generate.add_argument("--steps", type=int)
    generate.add_argument("--guidance", type=float)
    generate.add_argument("--scale", type=float, default=1.0)
    generate.add_argument("--out", type=Path)
    generate.add_argument("--keep", action="store_true", help="overwrite no picture")
    selftest = verbs.add_parser("selftest", help="kill runs, and see that nothing differs")
    selftest.add_argument("--kill", type=int, required=True)
    selftest.add_argument("--seed", type=int, required=True)
    selftest.add_argument("--json", action="store_true")
    _add_lora_verbs(verbs)
    verbs.add_parser("box", help="what the doctor asks of this box")
    return parser


if __name__ == "__main__":
    sys.exit(main())
