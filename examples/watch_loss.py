"""Print a job's loss while it trains, or all of it afterwards: python watch_loss.py JOB.

Whatever happens on the way (the daemon restarts its numbering, a packet is dropped, this script
starts late), every step is printed exactly once.
"""

import sys

from lorad.shared.client import Client
from lorad.shared.errors import LoradError

try:
    with Client(name="watch_loss") as daemon:
        for point in daemon.points(int(sys.argv[1])):
            print(
                f"{point.step}\t{point.loss:.4f}\t{point.images_per_second:.1f} img/s", flush=True
            )
except LoradError as error:
    sys.exit(f"{error}")
