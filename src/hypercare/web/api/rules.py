"""Rules and alerts: which of them are asked for, and page by page."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hypercare.web.api.answers import ApiError, success
from hypercare.web.api.prometheus_views import RulesWanted, alerts_data, rules_data

if TYPE_CHECKING:
    from hypercare.web.api.endpoint import Asked
    from hypercare.web.api.parameters import Parameters


def rules(asked: Asked) -> bytes:
    """Rule groups and the state of every rule."""
    p = asked.parameters
    kind = p.text("type").lower()
    if kind not in {"", "alert", "record"}:
        raise ApiError("bad_data", f'invalid parameter "type": not supported value "{kind}"')
    groups, files = frozenset(p.all("rule_group[]")), frozenset(p.all("file[]"))
    names, alerts = frozenset(p.all("rule_name[]")), not p.truth("exclude_alerts")
    wanted = RulesWanted(kind, names, groups, files, alerts=alerts, matchers=tuple(p.matchers()))
    most, token = _page(p)
    found = rules_data(asked.app, wanted)
    return success(_cut(found, most, token) if most else {"groups": found})


def _page(p: Parameters) -> tuple[int, str]:
    """How many groups to tell, 0 for all, and where to go on."""
    text, token = p.text("group_limit"), p.text("group_next_token")
    if token and not text:
        message = "group_limit needs to be present in order to paginate over the groups"
        raise ApiError("bad_data", f'invalid parameter "group_next_token": {message}')
    most = p.number("group_limit")
    if text and not most:
        raise ApiError("bad_data", 'invalid parameter "group_limit": group_limit needs to be greater than 0')
    return most, token


def _token(group: dict[str, Any]) -> str:
    """Names a group, so that the next page begins with it even where groups came or went."""
    return hashlib.sha1(
        f"{group['file']};{group['name']}".encode("utf-8", "replace"), usedforsecurity=False
    ).hexdigest()


def _cut(groups: list[dict[str, Any]], most: int, token: str) -> dict[str, Any]:
    groups = sorted(groups, key=lambda group: (group["file"], group["name"]))
    begin = 0
    if token:
        tokens = [_token(group) for group in groups]
        if token not in tokens:
            message = f"invalid group_next_token '{token}'. were rule groups changed?"
            raise ApiError("bad_data", f'invalid parameter "group_next_token": {message}')
        begin = tokens.index(token)
    rest = groups[begin:]
    more = {"groupNextToken": _token(rest[most])} if len(rest) > most else {}
    return {"groups": rest[:most], **more}


def alerts(asked: Asked) -> bytes:
    """Pending and firing alerts of the rules."""
    return success(alerts_data(asked.app))
