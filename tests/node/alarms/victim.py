"""A node's alarm desk that makes one alarm and then waits to be killed: `victim DIR NUMBER`."""

import sys
import time
from pathlib import Path

from tests.node.alarms.houses import Small, now_us

house = Small(Path(sys.argv[1]), now_us)
house.differ(f"T-{sys.argv[2]}")
sys.stdout.write("durable\n")
sys.stdout.flush()
time.sleep(60)
