"""What a running hypercare refuses, for commands that ask one."""

from __future__ import annotations


class ServerError(Exception):
    """No answer, or a refusal; the text is for the user.

    Attributes:
        status: the HTTP status, or 0 where there was no answer.

    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
