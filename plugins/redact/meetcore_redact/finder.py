"""Finds in a text what is to be left out of it. Pure.

A transcriber writes what is said: a number comes as digits, in groups or one by one, or as words;
an address with its signs, or with `at` and `dot`. So a text is read as a row of pieces, numbers
among them, before anything is recognised in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from types import ModuleType

import phonenumbers
from attrs import frozen
from stdnum import luhn

from meetcore_redact.emails import emails_in
from meetcore_redact.left_out import LeftOut
from meetcore_redact.options import RedactOptions
from meetcore_redact.presidio_finder import found_by_presidio

__all__ = ["found_in", "redacted"]

_PIECE = re.compile(r"\d+|[^\W\d_]+")
_BETWEEN = re.compile(
    r"(?:[\s\-‐‑–./(),+]{1,4}(?:(?:uh|um|er|erm|ehm|hm)[\s,.…]+)*)?", re.IGNORECASE
)
_AND = re.compile(
    r"[\s,.–-]*\b(?:and(?:[\s,]+then)?|then)\b[\s,]+(?:(?:uh|um|er|erm|ehm|hm)[\s,.…]+)*",
    re.IGNORECASE,
)
_SMALL = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
_UNITS = {word: str(number) for number, word in enumerate(_SMALL.split())}
_UNITS |= {"oh": "0", "o": "0", "nought": "0", "nil": "0"}
_ROUND = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: number for number, word in enumerate(_ROUND.split(), 2)}
_TIMES = {"double": 2, "triple": 3}
_PLUS = re.compile(r"(?:\+|\bplus[\s,]+)$", re.IGNORECASE)
_PLUS_BEFORE = 16
_HESITATIONS = ("uh", "um", "er", "erm", "ehm", "hm")
_SHORTEST_CARD, _LONGEST_CARD = 13, 19
_SHORTEST_PHONE, _LONGEST_PHONE = 7, 15
_SHORTEST_PHONE_OF_HALVES = 9
_FEWEST_IN_A_HALF = 3
_MOST_PIECES = 12
_SHORTEST_ID, _LONGEST_ID = 6, 42
_FEWEST_DIGITS = 4
_SHORTEST_ID_OF_DIGITS = 8


@frozen
class _Number:
    """A number of a text.

    Attributes:
        plus: Whether it is written with a plus before it.
        one_by_one: Whether each digit is a word.
    """

    start: int
    end: int
    digits: str
    plus: bool
    one_by_one: bool


def redacted(text: str, options: RedactOptions) -> str:
    """Return a text with what was found replaced by what it is, in brackets."""
    for found in reversed(found_in(text, options)):
        text = f"{text[: found.start]}[{found.what}]{text[found.end :]}"
    return text


def found_in(text: str, options: RedactOptions) -> list[LeftOut]:
    """Return what is to be left out of a text, in order, none within or across another."""
    found = list(_names(text, options.names))
    if options.emails:
        found += [LeftOut(start, end, "email") for start, end in emails_in(text)]
    found += _id_numbers(text, options.id_numbers)
    for number in _numbers(text, options.region):
        what = _what(number, options)
        if what is not None:
            found.append(LeftOut(number.start, number.end, what))
    if options.presidio:
        found += found_by_presidio(text, options)
    return _apart(found)


def _apart(found: list[LeftOut]) -> list[LeftOut]:
    """Return the same, with those that overlap made one: named like the longest."""
    apart: list[LeftOut] = []
    for each in sorted(found):
        if apart and each.start < apart[-1].end:
            last = apart.pop()
            longer = max(last, each, key=lambda one: one.end - one.start)
            each = LeftOut(last.start, max(last.end, each.end), longer.what)
        apart.append(each)
    return apart


def _names(text: str, names: tuple[str, ...]) -> Iterator[LeftOut]:
    for name in names:
        for each in _name_pattern(name).finditer(text):
            yield LeftOut(*each.span(), "name")


@lru_cache(maxsize=1024)
def _name_pattern(name: str) -> re.Pattern[str]:
    words = r"\W+".join(re.escape(word) for word in name.replace("’", "'").split())
    words = words.replace("'", "['’]")
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


# --- numbers, in digits and in words ---------------------------------------------------------


def _numbers(text: str, region: str) -> list[_Number]:
    """Return the numbers of a text; those that `and` joins are one where that is one's."""
    numbers: list[_Number] = []
    for number in _runs(text):
        while numbers and _AND.fullmatch(text, numbers[-1].end, number.start):
            joined = _joined(numbers[-1], number, region)
            if joined is None:
                break
            number = joined
            numbers.pop()
        numbers.append(number)
    return numbers


def _joined(one: _Number, other: _Number, region: str) -> _Number | None:
    """Return two numbers as one, if they are halves of one: years and prices are not."""
    both = _Number(
        one.start,
        other.end,
        one.digits + other.digits,
        one.plus,
        one.one_by_one and other.one_by_one,
    )
    if both.one_by_one:
        return both if max(len(one.digits), len(other.digits)) >= _FEWEST_IN_A_HALF else None
    digits = both.digits
    card = _SHORTEST_CARD <= len(digits) <= _LONGEST_CARD and luhn.is_valid(digits)
    phone = len(digits) >= _SHORTEST_PHONE_OF_HALVES and _is_phone(both, region, abroad=one.plus)
    return both if card or phone else None


def _runs(text: str) -> Iterator[_Number]:
    """Yield digits and words for digits that follow each other."""
    pieces = _pieces(text)
    at = 0
    while at < len(pieces):
        digits, begin, end = "", at, at
        while end < len(pieces) and (end == begin or _touch(text, pieces[end - 1], pieces[end])):
            read, used = _digits(pieces, end)
            if not used:
                break
            digits, end = digits + read, end + used
        if digits:
            start = pieces[begin].start()
            written = _PLUS.search(text, max(0, start - _PLUS_BEFORE), start)
            if written is not None:
                start = written.start()
            one_by_one = all(
                len(_UNITS.get(each[0].lower(), "")) == 1 for each in pieces[begin:end]
            )
            yield _Number(start, pieces[end - 1].end(), digits, written is not None, one_by_one)
        at = max(end, at + 1)


def _touch(text: str, one: re.Match[str], following: re.Match[str]) -> bool:
    return _BETWEEN.fullmatch(text, one.end(), following.start()) is not None


def _pieces(text: str) -> list[re.Match[str]]:
    """Return what a number can be made of; who hesitates within one says it all the same."""
    return [each for each in _PIECE.finditer(text) if each[0].lower() not in _HESITATIONS]


def _digits(pieces: list[re.Match[str]], at: int) -> tuple[str, int]:
    """Return the digits that begin at a piece, and how many pieces they take; 0 for none."""
    word = pieces[at][0].lower()
    following = pieces[at + 1][0].lower() if at + 1 < len(pieces) else ""
    if word.isdigit():
        return word, 1
    if word in _TIMES:
        one = following if len(following) == 1 and following.isdigit() else _UNITS.get(following)
        return (one * _TIMES[word], 2) if one is not None else ("", 0)
    if word in _UNITS and following == "hundred" and len(_UNITS[word]) == 1:
        return f"{_UNITS[word]}00", 2
    if word in _TENS:
        unit = _UNITS.get(following, "")
        if len(unit) == 1 and unit != "0":
            return f"{_TENS[word]}{unit}", 2
        return f"{_TENS[word]}0", 1
    return (_UNITS[word], 1) if word in _UNITS else ("", 0)


def _what(number: _Number, options: RedactOptions) -> str | None:
    """Return what a number is, None if it may stand."""
    digits = number.digits
    if _SHORTEST_CARD <= len(digits) <= _LONGEST_CARD and luhn.is_valid(digits):
        return "card number"
    if _is_phone(number, options.region):
        return "phone number"
    long_enough = len(digits) >= _SHORTEST_ID_OF_DIGITS
    if long_enough and any(_is_valid(_module(name), digits) for name in options.id_numbers):
        return "id number"
    if options.long_numbers is not None and len(digits) >= options.long_numbers:
        return "number"
    return None


def _is_phone(number: _Number, region: str, *, abroad: bool = True) -> bool:
    """Whether a number is a telephone's; with `abroad` also one with a country's code."""
    if not _SHORTEST_PHONE <= len(number.digits) <= _LONGEST_PHONE:
        return False
    for written in ("+" + number.digits, number.digits) if abroad else (number.digits,):
        try:
            parsed = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return True
        if number.plus:
            return bool(phonenumbers.is_possible_number(parsed))
    return False


# --- numbers of people and accounts ----------------------------------------------------------


def _id_numbers(text: str, kinds: tuple[str, ...]) -> Iterator[LeftOut]:
    """Yield the numbers of people and accounts: letters and digits, some pieces in a row."""
    modules = [_module(name) for name in kinds]
    pieces = list(re.finditer(r"[^\W_]+", text)) if modules else []
    for first, begins in enumerate(pieces):
        for last in range(first, min(first + _MOST_PIECES, len(pieces))):
            if last > first and not _touch(text, pieces[last - 1], pieces[last]):
                break
            start, end = begins.start(), pieces[last].end()
            if end - start > _LONGEST_ID:
                break
            written = text[start:end]
            digits = sum(each.isdigit() for each in written)
            long_enough = end - start >= _SHORTEST_ID and digits >= _FEWEST_DIGITS
            if long_enough and any(_is_valid(module, written) for module in modules):
                yield LeftOut(start, end, "id number")


@lru_cache(maxsize=256)
def _module(name: str) -> ModuleType:
    return import_module(f"stdnum.{name}")


def _is_valid(module: ModuleType, written: str) -> bool:
    try:
        return bool(module.is_valid(written))
    except Exception:  # noqa: BLE001  what a module cannot read is not its number
        return False
