"""The verbs: a table, so that no verb's module is imported before it is chosen.

Each module has `add_arguments(parser)` and `run(args) -> exit code`. Names that begin with an
underscore are what several verbs share; the verb `import`, which is a word of Python's own, is in
`import_`.
"""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """One line of `lorad --help`."""

    group: str
    usage: str
    help: str


VERBS: dict[str, Verb] = {
    "demo": Verb("Begin", "", "train the shipped example, from nothing to pictures"),
    "init": Verb("Begin", "[FILE]", "write a commented recipe to start from"),
    "import": Verb("Begin", "COMMAND", "a recipe from a diffusers command or a kohya file"),
    "check": Verb("Begin", "FILE", "look a recipe and its pictures over before it trains"),
    "add": Verb("Begin", "FILE", "queue a recipe"),
    "dashboard": Verb("Watch", "[ID]", "the queue, the curves and the pictures, live"),
    "status": Verb("Watch", "[ID]", "the queue and the machine, once"),
    "why": Verb("Watch", "ID", "why a job waits, or what it does, in one sentence"),
    "log": Verb("Watch", "ID", "what a run printed; -f follows, --daemon for the daemon's"),
    "gpu": Verb("Watch", "", "the cards, who computes on them, and the box"),
    "health": Verb("Watch", "", "how the daemon is, and what it complained of last"),
    "samples": Verb("Watch", "ID", "the pictures that a run drew"),
    "compare": Verb("Watch", "ID ID...", "runs side by side, and what their recipes differ in"),
    "events": Verb("Watch", "[ID]", "what happened, a JSON object a line; -f goes on"),
    "wait": Verb("Watch", "ID...", "until jobs end; the exit code says how"),
    "history": Verb("Watch", "[ID]", "who changed what, and when"),
    "pause": Verb("Steer", "ID...", "save, leave the GPU, go on from there later"),
    "hold": Verb("Steer", "ID...", "wait between two steps and keep the GPU"),
    "save": Verb("Steer", "ID...", "write a checkpoint and the LoRA file after this step"),
    "resume": Verb("Steer", "ID...", "go on, from the last checkpoint or from where it is held"),
    "cancel": Verb("Steer", "ID...", "save what there is and end it; --force kills"),
    "restart": Verb("Steer", "ID...", "train again from the first step"),
    "stash": Verb("Steer", "ID...", "keep waiting jobs out of the queue"),
    "enqueue": Verb("Steer", "ID...", "put stashed jobs back into the queue"),
    "update": Verb("Steer", "ID...", "change what jobs wait for, their group, their GPUs"),
    "group": Verb("Steer", "[VERB]", "the groups: their slots, their GPUs, pause and resume"),
    "drain": Verb("Steer", "", "start nothing new; what runs goes on; --end undoes it"),
    "move": Verb("Steer", "ID... PLACE", "change a waiting job's place; 1 is the front"),
    "priority": Verb("Steer", "ID... N", "higher starts first"),
    "set": Verb("Steer", "ID KEY=VALUE...", "change recipes, also while they train"),
    "rm": Verb("Steer", "ID...", "forget jobs; their files stay"),
    "copy": Verb("Steer", "ID KEY=V...", "its recipe again as a new job, with changes"),
    "sweep": Verb("Steer", "ID KEY=V,V...", "a job for each combination of values"),
    "undo": Verb("Steer", "", "take back the newest change of the queue"),
    "get": Verb("Use", "ID [FOLDER]", "bring a job's LoRA, pictures and README here"),
    "generate": Verb("Use", "ID PROMPT", "draw a picture with a job's LoRA"),
    "lora": Verb("Use", "VERB", "convert, merge or push a LoRA file"),
    "up": Verb("Daemon", "", "start it in the background"),
    "down": Verb("Daemon", "", "pause the runs and end it; the next `up` resumes them"),
    "doctor": Verb("Daemon", "", "look over all that lorad stands on, and say what to do"),
    "bundle": Verb("Daemon", "[FILE]", "an archive for a question, without secrets"),
    "install": Verb("Daemon", "", "have systemd start it; --remove undoes that"),
    "proxy": Verb("Daemon", "", "the far end of --host: where the sockets are"),
    "key": Verb("Daemon", "[VERB]", "your key, and who may come over the network"),
    "config": Verb("Other", "[KEY=...]", "settings: theme, keys, hosts"),
    "completions": Verb("Other", "SHELL", "tab completion for bash, zsh or tcsh"),
    "selftest": Verb("Other", "", "kill runs at random here, and see that nothing differs"),
    "version": Verb("Other", "", "lorad's version"),
}

ALIASES: dict[str, tuple[str, ...]] = {
    "ps": ("status",),
    "logs": ("log",),
    "start": ("resume",),
    "train": ("add",),
    "stop": ("cancel",),
    "kill": ("cancel", "--force"),
    "remove": ("rm",),
    "attach": ("dashboard",),
    "duplicate": ("copy",),
}
"""Other tools' words."""
