"""Tests of parity share compare.py, also where pytest imports each file by itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
