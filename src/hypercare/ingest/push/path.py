"""The group that a path names: ``/metrics/job/<job>{/<label>/<value>}``, as Prometheus' Pushgateway has it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from hypercare.ingest.decoded import BadRequestError
from hypercare.model.labels import Labels

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_ENCODED: Final = "@base64"


def group_of(path: str) -> Labels:
    """The labels of a group.

    Args:
        path: what stands behind ``/metrics/``, as it was sent: ``%2F`` is part of a value, ``/`` ends it.

    Raises:
        BadRequestError: no path of a group.

    """
    parts = path.split("/")
    if len(parts) % 2:
        msg = f"expected pairs of label and value behind /metrics/, found {path!r}"
        raise BadRequestError(msg)
    labels: dict[str, str] = {}
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        plain = name.removesuffix(_ENCODED)
        if not _LABEL.fullmatch(plain) or plain.startswith("__"):
            msg = f"{plain!r} cannot be the name of a label"
            raise BadRequestError(msg)
        if plain in labels:
            msg = f"the label {plain!r} stands twice"
            raise BadRequestError(msg)
        labels[plain] = _value(value, encoded=plain != name)
    if parts[0].removesuffix(_ENCODED) != "job":
        msg = "the first label must be the job: /metrics/job/<job>"
        raise BadRequestError(msg)
    if not labels["job"]:
        msg = "the job must have a name"
        raise BadRequestError(msg)
    return Labels(labels.items())


def _value(text: str, *, encoded: bool) -> str:
    data = unquote_to_bytes(text)
    try:
        if encoded:
            # Without padding, with it, and a lone "=" for an empty value.
            bare = data.rstrip(b"=")
            data = base64.b64decode(bare + b"=" * (-len(bare) % 4), altchars=b"-_", validate=True)
        return data.decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        kind = "URL-safe base64 of UTF-8" if encoded else "UTF-8"
        msg = f"the value {text!r} is not in {kind}: {error}"
        raise BadRequestError(msg) from None
