"""``python -m hypercare``."""

from hypercare.cli import main

main()
