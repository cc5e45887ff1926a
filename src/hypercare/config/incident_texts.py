"""Templates of what people are told of incidents and of post-mortems: read and checked with the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hypercare.model.errors import Problem

if TYPE_CHECKING:
    from hypercare.config.hypercare_file import HypercareConfig
    from hypercare.config.reading import Reading


def read_texts(run: Reading, config: HypercareConfig) -> dict[str, str]:
    """The texts of the template files, by use: opened, updated, resolved, postmortem.

    What is wrong with them goes to ``run.problems``; files that cannot be read are told of elsewhere.
    """
    incidents = config.incidents
    named = {
        "opened": incidents.texts.opened,
        "updated": incidents.texts.updated,
        "resolved": incidents.texts.resolved,
        "postmortem": incidents.postmortem.template,
    }
    found: dict[str, str] = {}
    for use, path in named.items():
        if not path:
            continue
        try:
            data = run.files.read(Path(path))
        except OSError:
            continue
        run.digest.update(data)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            run.problems.append(Problem(path, 0, 0, "not UTF-8 text", "save the file as UTF-8"))
            continue
        problem = _problem(text, path)
        if problem is None:
            found[use] = text
        else:
            run.problems.append(problem)
    return found


def _problem(text: str, path: str) -> Problem | None:
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - few configurations have templates of their own
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

    try:
        SandboxedEnvironment(autoescape=False).parse(text)
    except TemplateSyntaxError as error:
        return Problem(path, error.lineno, 0, f"not a valid Jinja template: {error.message}", "")
    return None
