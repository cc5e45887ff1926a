"""Makes the kit of the incidents' tests importable: stories of pages begin with an incident."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "incidents"))
sys.path.insert(0, str(Path(__file__).parent))
