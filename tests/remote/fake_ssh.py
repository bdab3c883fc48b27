"""An `ssh` that goes nowhere: it runs the command here, with the environment of "the box".

What it knows of ssh: options, `-L near:far` for unix sockets, and its exit codes. FAKE_BOX is a
JSON file: `env` for the command, `hosts` that exist, `forbid` for a server without forwarding.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from relay import Relay


def main(words: list[str]) -> int:
    box = json.loads(Path(os.environ["FAKE_BOX"]).read_text())
    forwards = []
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "--":
            break
        if option in ("-o", "-L", "-p", "-i", "-F"):
            value = words.pop(0)
            if option == "-L":
                parts = re.split(r"(?<!\\):", value)
                forwards.append([re.sub(r"\\(.)", r"\1", one.replace("%%", "%")) for one in parts])
    host, command = words[0], " ".join(words[1:])
    with Path(box["calls"]).open("a") as calls:
        print(os.getpid(), host, command, *(f[1] for f in forwards), file=calls)
    if host not in box["hosts"]:
        print(f"ssh: Could not resolve hostname {host}: Name or service not known", file=sys.stderr)
        return 255
    for near, far in forwards:
        if box.get("forbid"):
            print("channel 3: open failed: connect failed: open failed", file=sys.stderr)
        Relay(Path(near), Path("/nowhere" if box.get("forbid") else far))
    sys.stderr.flush()
    env = {name: value for name, value in os.environ.items() if name != "LORAD_HOST"}
    child = subprocess.Popen(["sh", "-c", command], env={**env, **box["env"]})
    return child.wait()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
