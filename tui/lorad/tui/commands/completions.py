"""`lorad completions`: tab completion for a shell."""

from __future__ import annotations

import argparse

HOWTO = """\
bash:  lorad completions bash > ~/.local/share/bash-completion/completions/lorad
zsh:   lorad completions zsh > ~/.zfunc/_lorad     (with fpath+=~/.zfunc before compinit)
tcsh:  lorad completions tcsh > ~/.lorad.tcsh      (and source it in ~/.tcshrc)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A shell."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = HOWTO
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(args: argparse.Namespace) -> int:
    """Print its script."""
    import shtab

    from lorad.tui.cli import whole_parser

    print(shtab.complete(whole_parser(), shell=args.shell))
    return 0
