"""What was bound for the readers of a view: the rows of many groups within the few spans that a tick looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.tsdb.cuts import Muster, Sheaf, bind_rows, muster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.tsdb.cuts import Span, State
    from hypercare.tsdb.index import Company

_SPANS: Final = 32
"""Spans remembered; a tick looks at fewer."""
_COMPANIES: Final = 64
_UNBOUND: Final = Sheaf((), False, (), [], False, {})  # noqa: FBT003 - a record of no meaning


class Bindings:
    """The rows of groups within spans, for all the metrics that these groups have in common; used from any thread.

    Within a tick the rules write to one group only: what was bound of the others for the view before still holds.
    """

    __slots__ = ("_earlier", "_known", "_states", "musters", "sheaves")

    def __init__(self, states: Mapping[int, State], before: Bindings | None) -> None:
        self._states = states
        self.sheaves: dict[tuple[Company, Span], Sheaf | None] = {}
        self.musters: dict[Company, Muster] = {}
        # Not the object before: it would hold the one before it.
        self._earlier = {} if before is None else before.sheaves
        self._known = {} if before is None else before.musters

    def sheaf(self, company: Company, span: Span, *, in_memory: bool) -> Sheaf | None:
        """The rows of many groups within a span; none where they are not all in memory."""
        key = (company, span)
        sheaf = self.sheaves.get(key, _UNBOUND)
        if sheaf is not _UNBOUND:
            return sheaf
        groups = self.musters.get(company) or self._muster(company)
        sheaf = self._earlier.get(key)
        if sheaf is None or sheaf.states is not groups.states or not (sheaf.whole or in_memory):
            sheaf = bind_rows(groups, span, in_memory=in_memory)
        if len(self.sheaves) >= _SPANS:
            self.sheaves.clear()
        self.sheaves[key] = sheaf
        return sheaf

    def _muster(self, company: Company) -> Muster:
        found = self._known.get(company)
        if found is None or not found.still_holds(self._states, company.gids):
            found = muster(self._states, company.gids)
        if len(self.musters) >= _COMPANIES:
            self.musters.clear()
        self.musters[company] = found
        return found
