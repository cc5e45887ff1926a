"""Tools for a metrics store that nobody need be serving: check, analyze, list, export, import."""

from hypercare.tsdbtools.analysis import Analysis, analyze
from hypercare.tsdbtools.checking import CheckReport, check
from hypercare.tsdbtools.exporting import export
from hypercare.tsdbtools.importing import ImportReport, import_file
from hypercare.tsdbtools.opening import in_use, read_only, store_directory

__all__ = [
    "Analysis",
    "CheckReport",
    "ImportReport",
    "analyze",
    "check",
    "export",
    "import_file",
    "in_use",
    "read_only",
    "store_directory",
]
