"""Nothing that is written or shown carries a password."""

from __future__ import annotations

import re
from typing import Any

_LOGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s?#]*@")


def masked(value: Any) -> Any:
    """``value`` with ``***`` in place of user and password of every URL in it, also in the texts of
    lists and of dictionaries."""
    if isinstance(value, str):
        return _LOGIN.sub(r"\1***@", value)
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner) for inner in value]
    return value
