"""The state database: rows of every room, one transaction a kernel step."""

from hypercare.state.engine import State
from hypercare.state.schema import metadata

__all__ = ["State", "metadata"]
