"""Queue a recipe with another seed for each number given: python submit_job.py FILE SEED [SEED …].

Prints the jobs' numbers; the exit code is that of `lorad add`.
"""

import re
import sys
from pathlib import Path

from lorad.shared.client import Client
from lorad.shared.errors import LoradError
from lorad.shared.messages import AddJob
from lorad.shared.recipe import load_recipe

try:
    file = Path(sys.argv[1]).absolute()
    _, text = load_recipe(file)
    with Client(name="submit_job") as daemon:
        for seed in sys.argv[2:]:
            varied = re.sub(r"(?ms)^(\[train\].*?^seed\s*=\s*)\d+", rf"\g<1>{int(seed)}", text)
            if f"seed = {int(seed)}" not in varied:
                sys.exit("The recipe has no `seed = ` in its [train] to vary.")
            print(daemon.ask(AddJob(recipe=varied, folder=str(file.parent))).job.id)
except LoradError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
