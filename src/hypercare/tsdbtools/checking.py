"""Whether everything in a store can be read, and what is lost where it cannot."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypercare.tsdbtools.opening import read_only

if TYPE_CHECKING:
    from pathlib import Path

    from hypercare.model.errors import Problem
    from hypercare.tsdb import BlockCheck
    from hypercare.tsdb.replay import Recovery


@dataclasses.dataclass(frozen=True, slots=True)
class CheckReport:
    """What a look at every byte found.

    Attributes:
        blocks: of each block that could be opened, what it holds and what cannot be read.
        unreadable: blocks that could not be opened at all, with their sizes in bytes.
        log: what the log gave; torn bytes are the last write before a crash or a still running server, and no damage.
        problems: all damage, with its place.

    """

    blocks: tuple[BlockCheck, ...]
    unreadable: tuple[tuple[str, int], ...]
    log: Recovery
    problems: tuple[Problem, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems

    @property
    def lost(self) -> int:
        """Samples known to be lost in blocks and logs; those of unreadable blocks nobody can count."""
        return sum(block.lost for block in self.blocks) + self.log.lost_samples


def check(directory: Path) -> CheckReport:
    """Read every block, segment and log file; nothing is changed.

    Raises:
        OSError: the directory cannot be read.
    """
    with read_only(directory) as db:
        blocks = tuple(db.verify())
        opened = {block.name for block in blocks}
        unreadable = tuple(
            (path.name, path.stat().st_size)
            for path in sorted((directory / "blocks").glob("*.block"))
            if path.name not in opened
        )
        places = {path.name: path for path in directory.rglob("*") if path.is_file()}
        problems = tuple(
            dataclasses.replace(problem, file=str(places.get(problem.file.rpartition("/")[2], problem.file)))
            for problem in db.problems
        )
        return CheckReport(blocks, unreadable, db.recovery, problems)
