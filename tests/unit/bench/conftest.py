"""What `scripts/bench` is made of is imported from `scripts`, as the bench itself does."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))
