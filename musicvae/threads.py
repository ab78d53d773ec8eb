"""How threads of torch wait: without spinning, whoever imports the package.

OpenMP threads that spin while they wait slow a busy machine down several times. OpenMP reads its
policy when torch is imported, so the package sets it when it is imported itself.
"""

from __future__ import annotations

import os
import sys

THREADS_SPIN = "torch" in sys.modules and not {"OMP_WAIT_POLICY", "OMP_NUM_THREADS"} & {*os.environ}
"""Whether torch was imported first, without a policy: then all that is left is to compute in one
thread, see `networks.devices`."""
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
