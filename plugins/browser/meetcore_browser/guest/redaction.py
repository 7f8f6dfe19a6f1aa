"""A saved page without what is personal, so that it can be sent to somebody who mends selectors.

It fails closed: a word is kept only if it is on a list of words that web clients use, or in the
selector pack; every other one becomes x's. What selectors go by stays: the tree, ids, classes,
roles and the names of attributes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from meetcore_browser.selectors import SelectorPack

__all__ = ["redaction_script"]

_TOKENS = re.compile(r"""[\w-]+""")
_WORDS = Path(__file__).parent / "interface_words.txt"
_PAGE = Path(__file__).parents[1] / "page" / "redact.js"


def redaction_script(pack: SelectorPack) -> str:
    """Return an expression that redacts the document it is evaluated in and returns its HTML."""
    words = set(_WORDS.read_text(encoding="utf-8").split())
    for _, _, selector in pack.selectors():
        texts = [selector.name or ""]
        texts += [selector.value] if selector.kind in ("text", "words") else []
        for text in texts:
            words.update(re.findall(r"[^\W\d_]+", text.lower()))
    kept = set()
    for _, _, selector in pack.selectors():
        css = [selector.value if selector.kind == "css" else "", selector.within or ""]
        kept.update(_TOKENS.findall(" ".join([*css, selector.outside or "", selector.frame or ""])))
    never = [*pack.never_click.selectors, (pack.about and pack.about.never_read) or ""]
    kept.update(_TOKENS.findall(" ".join(never)))
    sets = "; ".join(
        f"const {name} = new Set({json.dumps(sorted(values), ensure_ascii=False)})"
        for name, values in (("known", words), ("kept", kept))
    )
    script = _PAGE.read_text(encoding="utf-8")
    return f"(() => {{ 'use strict'; {sets};\n{script}\n}})()"
