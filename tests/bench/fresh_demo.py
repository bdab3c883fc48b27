"""From a fresh clone with a fresh HOME to the finished LoRA: fresh_demo.py [REPOSITORY]."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

source = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent.parent.parent)
with tempfile.TemporaryDirectory(prefix="lorad-fresh-") as folder:
    clone, home = f"{folder}/lorad", f"{folder}/home"
    os.mkdir(home)
    kept = {
        k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "LANG")) or k == "PATH"
    }
    env = {**kept, "HOME": home}
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", source, clone], check=True, env=env)
    subprocess.run(["make", "install"], cwd=clone, check=True, env=env, stdin=subprocess.DEVNULL)
    installed = time.monotonic()
    subprocess.run(["make", "demo"], cwd=clone, check=True, env=env, stdin=subprocess.DEVNULL)
    done = time.monotonic()
    subprocess.run([f"{clone}/.venv/bin/lorad", "down"], cwd=clone, check=True, env=env)
    print(
        f"fresh_demo: {done - began:.0f} s in all: clone and install {installed - began:.0f} s,"
        f" the demo {done - installed:.0f} s"
    )
