"""Finds addresses of mailboxes in a text, as they are written and as they are said. Pure.

A text is read from each `at` to both sides: before it stands a mailbox, which may be spelled, after
it a domain with a dot in it, however that is said. The last `at` comes first, since of
`me at ada dot berg at example dot com` the second is the address's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["emails_in"]

_WRITTEN = re.compile(r"(?<![\w.+%-])[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_PIECE = re.compile(r"[\w+%-]+")
_AT = re.compile(
    r"@|[\[({<]\s{0,3}at\s{0,3}[\])}>]|\b(?P<said>at(?P<sign>(?:[\s,]{1,4}|-)sign)?)\b",
    re.IGNORECASE,
)
_SOFT = re.compile(r"[\s,]+")
_SPELLED = re.compile(r"[\s,.-]{1,3}")
_OPENS = re.compile(r"[\s,]*[\[({<]?\s*")
_CLOSES = re.compile(r"\s*[\])}>]?[\s,]*")
_SPACED_DOT = re.compile(r"\s*\.\s*")
_JOINERS = frozenset(("dot", "point", "period", "underscore", "dash", "hyphen", "minus", "plus"))
_DASHES = frozenset(("dash", "hyphen", "minus"))
_DOTS = frozenset(("dot", "point", "period"))
_MOST_WORDS, _MOST_LETTERS = 4, 20
_LONGEST_ENDING = 24
_COMMON = """
com org net edu gov mil int info biz io co ai app dev tv eu uk de fr ch es nl be se dk fi pl pt ie
ca au nz jp br eu ru cn za mx cz sk hu ro bg gr hr si lt lv ee lu tr ua il ae sg hk tw kr ar cl pe
li cc ly gg sh xyz cloud tech online site shop agency studio me us it in no at is
"""
_ENDINGS = frozenset(_COMMON.split())
"""What domains end with, as far as it is common; another has to be written small and alone."""
_ALSO_WORDS = frozenset(("me", "us", "it", "in", "no", "at", "is", "be"))
_OF_FILES = """
html htm js ts py md txt pdf doc docx xls xlsx ppt pptx csv json xml png jpg jpeg gif svg css exe
zip yml yaml toml ini cfg log mp wav opus cpp java
"""
_NO_ENDINGS = frozenset(_OF_FILES.split())
_DETERMINERS = """
a an the this that these those our your his her its their which what
"""
_NO_DOMAINS = frozenset(_DETERMINERS.split())
_WHERE_AND_WHEN = """
home work school college university office lunch dinner breakfast noon midnight night once first
last church hospital court sea war peace risk hand play best most present times length everything
anything something nothing someone everyone me you him them us it there
"""
_PLACES = frozenset(_WHERE_AND_WHEN.split())
"""What stands after an `at` in plain sentences: no domain, unless what it ends with is one's."""
_BEFORE_AT = """
a i am is are was were be been being it he she they we you me him her them us this that these those
there here now then not only just even still again also back up down over out off and or but so if
as than look looks looked looking stare stared glance glanced peek peeked gaze point points pointed
pointing aim aimed shout shouted laugh laughed smile smiled yell arrive arrives arrived arriving
meet meets met stay stays stayed live lives lived sit sits sat stand stands stood stop stops stopped
start starts started begin begins began end ends ended work works worked working play played eat ate
sleep slept see sees saw seen find finds found check checked checking read visit visited visiting
available hosted published registered listed shown located based happy good bad great better best
excellent terrible surprised angry mad amazed shocked site website page pages one ones two three all
anything something nothing everything everybody everyone people someone somebody today tomorrow
yesterday tonight online things hack hacks hacked try tries tried docs documentation
"""
_NO_MAILBOXES = frozenset(_BEFORE_AT.split())
"""What stands before an `at` in plain sentences, and is no mailbox's name."""


def emails_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the addresses of a text begin and end; in no order, and some may overlap."""
    for each in _WRITTEN.finditer(text):
        yield each.span()
    pieces = list(_PIECE.finditer(text))
    starts = {piece.start(): place for place, piece in enumerate(pieces)}
    ends = {piece.end(): place for place, piece in enumerate(pieces)}
    limit = len(text)
    for at in reversed(list(_AT.finditer(text))):
        left, right = _without_gaps(text, *at.span())
        before, after = ends.get(left), starts.get(right)
        apart = left < at.start() and at.end() < right
        if before is None or after is None or (at["said"] and not apart):
            continue
        plain = at["said"] is not None and at["sign"] is None
        begin = _mailbox(text, pieces, before, plain=plain)
        end = _domain(text, pieces, after, limit, plain=plain)
        if begin is not None and end is not None:
            limit = begin
            yield begin, end


def _without_gaps(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a stretch, made longer by the blanks and commas around it."""
    while start > 0 and (text[start - 1].isspace() or text[start - 1] == ","):
        start -= 1
    while end < len(text) and (text[end].isspace() or text[end] == ","):
        end += 1
    return start, end


def _mailbox(text: str, pieces: Sequence[re.Match[str]], last: int, *, plain: bool) -> int | None:
    """Return where a mailbox begins that ends with a piece; None where it is none.

    Args:
        text: The text.
        pieces: Its pieces.
        last: The piece.
        plain: Whether the word `at` follows, which follows other words, too.
    """
    first, said = last, False
    while first > 0:
        gap = text[pieces[first - 1].end() : pieces[first].start()]
        if gap == ".":
            first -= 1
        elif first > 1 and _joins(text, pieces, first - 1):
            first, said = first - 2, True
        elif _continues(pieces, first) and _SPELLED.fullmatch(gap):
            first, said = first - 1, True
        else:
            break
    if plain and not said and pieces[last][0].lower() in _NO_MAILBOXES:
        return None
    return pieces[first].start()


def _joins(text: str, pieces: Sequence[re.Match[str]], place: int) -> bool:
    """Whether a piece is a sign that is said, between two others."""
    before = text[pieces[place - 1].end() : pieces[place].start()]
    after = text[pieces[place].end() : pieces[place + 1].start()]
    joins = pieces[place][0].lower() in _JOINERS
    return joins and _SOFT.fullmatch(before) is not None and _SOFT.fullmatch(after) is not None


def _continues(pieces: Sequence[re.Match[str]], place: int) -> bool:
    """Whether a piece goes on with the one before it: letters one by one, a number after a name."""
    word, before = pieces[place][0], pieces[place - 1][0]
    if len(word) == len(before) == 1:
        return word.isalnum() and before.isalnum()
    return word.isdigit() and before.isalpha() and before.lower() not in _NO_MAILBOXES


def _domain(
    text: str, pieces: Sequence[re.Match[str]], first: int, limit: int, *, plain: bool
) -> int | None:
    """Return where a domain ends that begins with a piece; None where it is none.

    Args:
        text: The text.
        pieces: Its pieces.
        first: The piece.
        limit: It ends there at the latest.
        plain: Whether the word `at` stands before it, which stands before other words, too.
    """
    name = pieces[first][0].lower()
    blank = text[pieces[first].end() : pieces[first].end() + 1].isspace()
    if plain and blank and name in _NO_DOMAINS:
        return None
    words, letters, dots, place = 1, len(name) == 1, 0, first
    found, common = None, False
    while place + 1 < len(pieces):
        ahead, dot = _label_after(text, pieces, place)
        if ahead is not None:
            place, dots = ahead, dots + 1
            label = pieces[place][0]
            known = label.lower() in _ENDINGS
            alone = words == 1 and name not in _PLACES
            if pieces[place].end() > limit or (common and not known):
                break
            if _may_end(label, dot, known=known, alone=alone, placed=name in _PLACES):
                found, common = pieces[place].end(), known
            continue
        gap = text[pieces[place].end() : pieces[place + 1].start()]
        if dots or _SOFT.fullmatch(gap) is None:
            break
        place += 1
        if pieces[place][0].lower() not in _DASHES:
            words += 1
            letters = letters and len(pieces[place][0]) == 1
        if words > (_MOST_LETTERS if letters else _MOST_WORDS):
            break
    return found


def _label_after(text: str, pieces: Sequence[re.Match[str]], place: int) -> tuple[int | None, str]:
    """Return which piece follows a dot after another, and how the dot is given."""
    gap = text[pieces[place].end() : pieces[place + 1].start()]
    if gap == "." or (_SPACED_DOT.fullmatch(gap) and gap[0].isspace()):
        return place + 1, "."
    said = pieces[place + 1][0].lower()
    if said in _DOTS and place + 2 < len(pieces) and _OPENS.fullmatch(gap):
        after = text[pieces[place + 1].end() : pieces[place + 2].start()]
        if _CLOSES.fullmatch(after):
            return place + 2, said
    return None, ""


def _may_end(label: str, dot: str, *, known: bool, alone: bool, placed: bool) -> bool:
    """Whether a domain may end with a label.

    Args:
        label: The label.
        dot: How the dot before it is given.
        known: Whether it is common as an ending.
        alone: Whether the domain is one word up to its first dot, and may be one.
        placed: Whether that word is a place's.
    """
    if not label.isalpha() or not 2 <= len(label) <= _LONGEST_ENDING:
        return False
    small = label.lower()
    if known:
        return not (placed and small in _ALSO_WORDS)
    if not alone or small in _NO_DOMAINS or small in _NO_MAILBOXES:
        return False
    return dot == "dot" or (dot == "." and label.islower() and small not in _NO_ENDINGS)
