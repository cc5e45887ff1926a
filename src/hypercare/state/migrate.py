"""Schema migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypercare.state.schema import metadata

if TYPE_CHECKING:
    from sqlalchemy import Engine


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version."""
    metadata.create_all(engine)
