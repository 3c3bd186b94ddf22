"""`python -m tests.faults.hasty collect`: a `lineside collect` whose first check of everything comes at once.

In the field it comes half a minute after the start, which must not be slowed down.
"""

import runpy

from edge import upkeep

if __name__ == "__main__":
    upkeep.FIRST_S = 0.3
    upkeep.PAUSE_S = 0.0
    upkeep.INTERVAL_S = 0.3
    upkeep.VERIFY_S = 0.3
    runpy.run_module("edge", run_name="__main__", alter_sys=True)
