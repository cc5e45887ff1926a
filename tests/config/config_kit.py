"""Files for configuration tests: on disk, or in memory."""

import fnmatch
from pathlib import Path


class DiskFiles:
    def read(self, path):
        return path.read_bytes()

    def glob(self, pattern):
        base = Path(pattern)
        return sorted(base.parent.glob(base.name)) if base.parent.is_dir() else []

    def stamp(self, path):
        return (0, path.stat().st_size)


class MemoryFiles:
    def __init__(self, **texts):
        self.texts = {name.replace("__", "."): text for name, text in texts.items()}

    def read(self, path):
        try:
            text = self.texts[str(path)]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", str(path)) from None
        return text if isinstance(text, bytes) else text.encode()

    def glob(self, pattern):
        return [Path(name) for name in sorted(self.texts) if fnmatch.fnmatch(name, pattern)]

    def stamp(self, path):
        return (0, len(self.texts.get(str(path), "")))
