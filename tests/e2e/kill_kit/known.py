"""What every sample is: a function of who sends it and when, so that all that is stored can be judged."""

from __future__ import annotations

import math

WIDTH, LIFE = 24, 9
"""Series of a target, and scrapes after which two of them are others."""


def known(at: int, owner: int, column: int) -> float:
    """Counters, noise, decimals, constants."""
    noise = (at * 2654435761 + column * 40503 + owner * 977) % (1 << 32)
    return (at * (column + 1.0), noise / 8.0, round(noise / 1e4, 2), column + 0.25)[column % 4]


def scraped(target: int, number: int) -> dict[tuple[tuple[str, str], ...], float]:
    """The series of a target in its so-manieth answer, without the labels that the server adds."""
    found = {(("__name__", "kills_seq"),): float(number)}
    for column in range(WIDTH):
        labels = [("__name__", "kills_value"), ("column", str(column))]
        if column >= WIDTH - 2:
            labels.append(("epoch", str((number + target) // LIFE)))
        found[tuple(labels)] = known(number, target, column)
    return found


def exposition(target: int, number: int) -> bytes:
    """The answer of a target."""
    lines = []
    for labels, value in scraped(target, number).items():
        rest = ",".join(f'{name}="{text}"' for name, text in labels[1:])
        lines.append(f"{labels[0][1]}{{{rest}}} {value!r}" if rest else f"{labels[0][1]} {value!r}")
    return "\n".join(["# TYPE kills_seq gauge", *lines, ""]).encode()


def histogram(at: int) -> tuple[int, list[int], float]:
    """Offset, counts of buckets and sum of an exponential histogram of scale 2."""
    return at // 7 % 5 - 2, [at % 5 + 1, at % 7 + 1, 1], at % 1000 / 8


def bucket_bounds(at: int) -> list[tuple[float, float, float]]:
    """Lower and upper bound and count of its buckets."""
    offset, counts, _ = histogram(at)
    base = 2 ** (2**-2)
    return [(base ** (offset + i), base ** (offset + i + 1), float(n)) for i, n in enumerate(counts)]


def close(a: float, b: float) -> bool:
    """Equal but for the last bits of a power."""
    return math.isclose(a, b, rel_tol=1e-12)
