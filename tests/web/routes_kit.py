"""Signatures of endpoints are looked at once, not for each of the hundreds of servers that tests build."""

from __future__ import annotations

import dataclasses

from fastapi import routing

_SEEN = {}
_look = routing.get_dependant


def _seen(*, path, call, **more):
    # Endpoints are functions made anew for every server; what they take stands in their code. None of ours has a
    # default that belongs to a server (such as Depends), which would be a dependency below.
    code = getattr(call, "__code__", None)
    if code is None or more != {"scope": "function"}:
        return _look(path=path, call=call, **more)
    if (path, code) not in _SEEN:
        _SEEN[path, code] = _look(path=path, call=call, **more)
    assert not _SEEN[path, code].dependencies
    return dataclasses.replace(_SEEN[path, code], call=call)


def once() -> None:
    """From now on, for all servers of this process."""
    routing.get_dependant = _seen
