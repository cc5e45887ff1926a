"""What the expressions of rules read: which series, how far back; and which rules read what others write."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Final

from hypercare.promql import PromqlError, ast, durations, parse, selectors
from hypercare.promql.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypercare.model.matchers import Matcher
    from hypercare.model.time import Ms
    from hypercare.promql import Expr
    from hypercare.rules.rule import Rule
    from hypercare.rules.spec import GroupSpec

_LIMITS: Final = Limits()
_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_QUERY: Final = re.compile(r'(?<![\w.$])query\s+(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)')
_ANY_QUERY: Final = re.compile(r"(?<![\w.$])query(?!\w)")


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """Series that an expression reads.

    Attributes:
        matchers: which.
        text: as a selector, for people.
        back: how long before an evaluation samples matter, ms.
        at: evaluations do not matter, but this instant; or none.
        current: their newest sample matters, and so the end of a series; not only what is in a range.

    """

    matchers: tuple[Matcher, ...]
    text: str
    back: Ms
    at: Ms | None = None
    current: bool = False


def needs_of(expr: Expr) -> tuple[Need, ...]:
    """What an expression reads, in reading order."""
    tree = durations.resolve(expr, 0, 0) if durations.has_duration_exprs(expr) else expr
    found: list[Need] = []
    _collect(tree, 0, None, found)
    return tuple(found)


def _ms(duration: ast.Duration | None) -> Ms:
    return duration if isinstance(duration, int) else 0


def _collect(expr: Expr, back: Ms, at: Ms | None, found: list[Need]) -> None:
    match expr:
        case ast.Subquery():
            outer = expr.at if isinstance(expr.at, int) else at
            step = _ms(expr.step) or _LIMITS.subquery_step
            _collect(expr.expr, back + _ms(expr.range) + _ms(expr.offset) + step, outer, found)
        case ast.MatrixSelector():
            _add(expr.vector, back + _ms(expr.range), at, found, current=bool(expr.vector.mode))
        case ast.VectorSelector():
            _add(expr, back, at, found, current=True)
        case _:
            for child in ast.children(expr):
                _collect(child, back, at, found)


def _add(selector: ast.VectorSelector, back: Ms, at: Ms | None, found: list[Need], *, current: bool) -> None:
    pinned = selector.at if isinstance(selector.at, int) else at
    reach = max(0, back + _ms(selector.offset)) + _LIMITS.lookback
    bare = str(dataclasses.replace(selector, offset=0, at=None, mode=""))
    found.append(Need(selector.matchers, bare, reach, pinned, current))


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What a rule's templates query.

    Attributes:
        exprs: queries that stand there as they are.
        all: there are no others, put together on the way.

    """

    exprs: tuple[Expr, ...] = ()
    all: bool = True


def asked_by(rule: Rule) -> Asked:
    """The queries in the templates of a rule."""
    found: list[Expr] = []
    whole = True
    for text in (text for _, text in (*rule.spec.labels, *rule.spec.annotations)):
        for action in _ACTION.findall(text):
            literal = [m[1] if m[1] is not None else m[2] for m in _QUERY.finditer(action)]
            whole = whole and len(literal) == len(_ANY_QUERY.findall(action))
            for query in literal:
                try:
                    found.append(parse(query.replace('\\"', '"').replace("\\\\", "\\")))
                except PromqlError:
                    # The template fails when it is rendered, and reads nothing.
                    continue
    return Asked(tuple(found), whole)


def needs(rules: Iterable[Rule]) -> tuple[Need, ...]:
    """What rules read, each selector once, with its longest reach."""
    merged: dict[tuple[str, Ms | None], Need] = {}
    for rule in rules:
        exprs = (*(() if rule.expr is None else (rule.expr,)), *asked_by(rule).exprs)
        for need in (need for expr in exprs for need in needs_of(expr)):
            key = (need.text, need.at)
            before = merged.get(key, need)
            longest = max(need.back, before.back)
            merged[key] = dataclasses.replace(need, back=longest, current=need.current or before.current)
    return tuple(merged.values())


def depends_on_its_query(expr: Expr) -> bool:
    """Whether an expression means another thing over a range than at each instant of it, or looks ahead of itself."""
    if durations.has_duration_exprs(expr):
        return True
    for node in ast.walk(expr):
        if isinstance(node, ast.VectorSelector | ast.Subquery) and (
            isinstance(node.at, ast.Preprocessor) or _ms(node.offset) < 0 or node.at is not None
        ):
            return True
        # These choose among elements by their order, which differs between an instant and a range.
        if isinstance(node, ast.Aggregate) and node.op in {"limitk", "limit_ratio"}:
            return True
        if isinstance(node, ast.Call) and node.name in {"step", "range", "start", "end"}:
            return True
    return False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A rule, its group and its place among all rules."""

    rule: Rule
    group: GroupSpec
    number: int


def order(rules: Sequence[Placed]) -> list[tuple[tuple[Placed, ...], bool]]:
    """Stages to evaluate one after the other over a whole span, and whether a stage has to go instant by instant.

    A rule may run over a span at a stretch if everything it reads of the other rules is written before, as it would
    be at each instant: by rules before it in its group, or by groups that never tick at the same instant. What reads
    each other, or itself, goes instant by instant.
    """
    reads = [[w for w in rules if _may_read(r, w)] for r in rules]
    slow = {r.number for r in rules if _is_slow(r)}
    for rule in rules:
        # Whoever reads what was written a tick ago has to meet the writer tick by tick.
        late = {writer.number for writer in reads[rule.number] if not _written_before(rule, writer)}
        slow |= late | ({rule.number} if late else set())
    after = {r.number: {w.number for w in reads[r.number]} for r in rules}
    reach = _closure(after)
    together = {n for n in after if n in reach[n]} | slow
    # Between two of those nothing else can be put: what one of them needs and another feeds is one of them.
    together |= {n for n in after if any(n in reach[a] for a in together) and together & reach[n]}
    stages: list[tuple[tuple[Placed, ...], bool]] = []
    left = [r.number for r in rules]
    done: set[int] = set()
    while left:
        ready = [n for n in left if n not in together and after[n] <= done]
        if ready:
            stages += [((rules[n],), False) for n in ready]
        else:
            ready = [n for n in left if n in together]
            stages.append((tuple(rules[n] for n in ready), True))
        done.update(ready)
        left = [n for n in left if n not in done]
    return stages


def _closure(after: dict[int, set[int]]) -> dict[int, set[int]]:
    reach = {n: set(direct) for n, direct in after.items()}
    changed = True
    while changed:
        changed = False
        for found in reach.values():
            before = len(found)
            found.update(*[reach[m] for m in found])
            changed = changed or len(found) > before
    return reach


def _may_read(rule: Placed, writer: Placed) -> bool:
    asked = asked_by(rule.rule)
    if not asked.all:
        return True
    exprs = (*(() if rule.rule.expr is None else (rule.rule.expr,)), *asked.exprs)
    return any(writer.rule.writes_to(selector) for expr in exprs for selector in selectors(expr))


def _is_slow(rule: Placed) -> bool:
    return rule.rule.expr is None or depends_on_its_query(rule.rule.expr) or getattr(rule.rule, "asks_more", False)


def _written_before(rule: Placed, writer: Placed) -> bool:
    mine, theirs = rule.group, writer.group
    if mine.key == theirs.key:
        return writer.number < rule.number
    gap = mine.phase - theirs.phase
    meet = gap % math.gcd(mine.interval, theirs.interval) == 0
    return theirs.query_offset <= mine.query_offset and not meet
