"""The benchmarks are no part of the installed package: they come from the repository's root, as with `python -m`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
