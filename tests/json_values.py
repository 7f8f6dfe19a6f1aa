"""JSON for properties: lists and objects in one another, a few deep and a few wide.

Each depth is a strategy of its own. `st.recursive` would count leaves as it goes and begin again
when there are too many, which costs twice the time for smaller values.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["JSON", "nested"]

DEEP, WIDE = 4, 4


def nested(
    leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[Any]:
    """Return a strategy for leaves, and for lists and objects of them."""
    keys = st.text() if keys is None else keys
    values = leaves
    for _ in range(DEEP):
        lists = st.lists(values, max_size=WIDE)
        values = leaves | lists | st.dictionaries(keys, values, max_size=WIDE)
    return values


JSON = nested(st.none() | st.booleans() | st.integers() | st.floats() | st.text())
