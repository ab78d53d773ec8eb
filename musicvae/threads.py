"""How the threads of torch wait; imported with the package, and so before torch where possible."""

from __future__ import annotations

import os
import sys

THREADS_SPIN = "torch" in sys.modules and not {"OMP_WAIT_POLICY", "OMP_NUM_THREADS"} & {*os.environ}
"""Whether torch was imported first, so that its OpenMP threads spin while they wait.

Spinning threads slow a busy machine down several times. OpenMP reads the policy when torch is
imported; then all that is left is to compute in one thread, see `networks.devices`.
"""
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
