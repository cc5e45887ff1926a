"""The state database: rows of every room, one transaction a kernel step."""

from hypercare.state import tables
from hypercare.state.engine import State, StateAwayError, is_away
from hypercare.state.schema import hash_index, metadata
from hypercare.state.writing import upsert

__all__ = ["State", "StateAwayError", "hash_index", "is_away", "metadata", "tables", "upsert"]
