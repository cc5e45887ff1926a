"""The embedded metrics store: a matrix of samples per scraped target, a write-ahead log, compressed blocks.

Start at ``store.py`` (what others call), ``head.py`` (writing), ``snapshot.py`` (reading).
"""

from hypercare.tsdb.group import Group
from hypercare.tsdb.options import AppendResult, Options
from hypercare.tsdb.snapshot import Snapshot
from hypercare.tsdb.stats import Cardinality, Stats
from hypercare.tsdb.store import Tsdb
from hypercare.tsdb.verify import BlockCheck, GroupCheck

__all__ = ["AppendResult", "BlockCheck", "Cardinality", "Group", "GroupCheck", "Options", "Snapshot", "Stats", "Tsdb"]
