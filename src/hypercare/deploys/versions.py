"""Noticing new versions: a value of the version label that was never seen before on a service's targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select

from hypercare.deploys import tables
from hypercare.deploys.meter import Wanted
from hypercare.model.time import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.deploys.meter import Measured, Meter
    from hypercare.kernel import Context, Kernel

_KIND: Final = "deploys.versions"
_EVERY: Final = 30 * SECOND


class Versions:
    """Looks at the label every half minute.

    Args:
        meter: measures.
        found: called with a service and a version that is new to a service whose others are known.

    """

    def __init__(self, meter: Meter, found: Callable[[Context, str, str], None]) -> None:
        self._meter = meter
        self._found = found
        self._label = ""

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_timer(_KIND, self._on_due)

    def configure(self, ctx: Context, label: str) -> None:
        """Look at this label from now on; empty: at none."""
        self._label = label
        if label:
            ctx.set_timer(_KIND, ctx.now + _EVERY, _KIND, durable=False)
        else:
            ctx.cancel_timer(_KIND, durable=False)

    def _on_due(self, ctx: Context, key: str) -> None:
        ctx.set_timer(key, ctx.now + _EVERY, _KIND, durable=False)
        label = self._label
        wanted = Wanted(
            f'group by (service, {label}) (up{{{label}!="",service!=""}})', ctx.now - SECOND, ctx.now, SECOND
        )
        self._meter.measure(ctx, [wanted], lambda then, measured: self._take(then, label, wanted, measured))

    def _take(self, ctx: Context, label: str, wanted: Wanted, measured: Measured) -> None:
        curves = measured[wanted]
        if curves.error:
            return
        seen = sorted({(labels.get("service") or "", labels.get(label) or "") for labels, _ in curves.series})
        known: dict[str, set[str]] = {}
        for row in ctx.db.execute(select(tables.versions)):
            known.setdefault(row.service, set()).add(row.version)
        for service, version in seen:
            if version in known.get(service, ()):
                continue
            ctx.db.execute(insert(tables.versions).values(service=service, version=version, seen_at=ctx.now))
            # The first version ever seen is what runs already, not what was deployed just now.
            if service in known:
                self._found(ctx, service, version)
