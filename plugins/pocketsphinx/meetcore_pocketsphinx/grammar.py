"""Which words a JSGF grammar or a keyphrase list asks for, read without the decoder.

pocketsphinx refuses a grammar with a word that its dictionary lacks by a bare "Failed to
initialize"; the cause stands only in its C log. So the words are read here first and looked up one
by one.
"""

from __future__ import annotations

import re

__all__ = ["jsgf_words", "keyphrase_words"]

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TAG = re.compile(r"\{(?:\\.|[^}\\])*\}", re.DOTALL)
_RULE_NAME = re.compile(r"<[^>]*>")
_WEIGHT = re.compile(r"/[^/\n]*/")
_STATEMENT_WITHOUT_WORDS = re.compile(r"\s*(?:#JSGF\b|grammar\b|import\b)", re.IGNORECASE)
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|[^\s()\[\]|*+"]+')


def jsgf_words(text: str) -> list[str]:
    """Return the words of a JSGF grammar in the order of their first appearance.

    Comments, tags, weights and rule names are no words. Imported grammars are not followed.
    JSpeech Grammar Format, W3C Note of 5 June 2000.
    """
    text = _TAG.sub(" ", _COMMENT.sub(" ", text))
    words: dict[str, None] = {}
    for statement in text.split(";"):
        if _STATEMENT_WITHOUT_WORDS.match(statement):
            continue
        _, _, expansion = statement.partition("=")
        expansion = _WEIGHT.sub(" ", _RULE_NAME.sub(" ", expansion))
        for token in _WORD.findall(expansion):
            words.update(dict.fromkeys(token.strip('"').split()))
    return list(words)


def keyphrase_words(text: str) -> list[str]:
    """Return the words of a keyphrase list (a phrase a line, a `/threshold/` behind it)."""
    words: dict[str, None] = {}
    for line in text.splitlines():
        words.update(dict.fromkeys(_WEIGHT.sub(" ", line).split()))
    return list(words)
