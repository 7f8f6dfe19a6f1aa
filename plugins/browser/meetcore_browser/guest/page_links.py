"""Links of platforms that anybody can host: a page of a known name, on whatever host. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from attrs import field, frozen

__all__ = ["PageLink", "read_page_link"]


@frozen
class PageLink:
    """A link to a page of a known name.

    Attributes:
        address: The page's address, without query and fragment.
        query: The newest value of each name in the query.
    """

    address: str
    query: Mapping[str, str] = field(factory=dict)


def read_page_link(url: str, page: str) -> PageLink | None:
    """Return what a link to a page named `page` says; None where it is no such link.

    A host in the user part (`https://known@other/`) is a trick, and such a link none.
    """
    try:
        parts = urlsplit(url.strip())
        query = parse_qs(parts.query, max_num_fields=50)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    if parts.path.rpartition("/")[2] != page:
        return None
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return PageLink(address, {name: values[-1] for name, values in query.items()})
