"""Describes public classes and functions for the reference: what each is, has and does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from typing import get_overloads

__all__ = ["attributes_of", "described", "description"]

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$", re.MULTILINE)

_HELD = re.compile(r"(?:AbstractAsyncContextManager|AsyncGenerator|AsyncIterator)\[(.*)\]")


def description(thing: object) -> str:
    """Return what a docstring says before its sections."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    return _SECTION.split(text)[0].strip()


def attributes_of(cls: type) -> dict[str, str]:
    """Return what the docstrings say about each attribute: the class's own, then its bases'."""
    found: dict[str, str] = {}
    for each in cls.__mro__:
        for name, said in _section(each, "Attributes").items():
            found.setdefault(name, said)
    return found


def _section(thing: object, title: str) -> dict[str, str]:
    found: dict[str, str] = {}
    doc = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    section = doc.partition(f"{title}:\n")[2]
    name = ""
    for line in section.splitlines():
        if match := re.match(r"    (\w[\w, ]*): (.*)", line):
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith("        "):
            found[name] += " " + line.strip()
        elif line.strip() and not line.startswith("    "):
            break
    return found


def sentence(thing: object) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(description(thing).partition("\n\n")[0].split()).replace("|", "\\|")


def _call(name: str, function: object) -> str:
    """Return how a function is called: its parameters with their types, and what it returns."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    shown: list[str] = []
    only_by_name = False
    for each in signature.parameters.values():
        if each.name in ("self", "cls"):
            continue
        if each.kind is each.KEYWORD_ONLY and not only_by_name:
            shown.append("*")
        only_by_name = each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        mark = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")  # type: ignore[call-overload]
        default = "" if each.default is each.empty else f" = {_default(each.default)}"
        shown.append(f"{mark}{each.name}{_typed(': ', each.annotation)}{default}")
    returned = _typed(" → ", signature.return_annotation)
    return f"{_use(function)}{name}({', '.join(shown)}){returned}"


def _default(value: object) -> str:
    if isinstance(value, (set, frozenset)):  # the same at each run
        return f"{{{', '.join(sorted(map(_default, value)))}}}"
    if isinstance(value, Enum):
        return str(value)
    return value.__name__ if isinstance(value, type) or inspect.isfunction(value) else repr(value)


def _typed(before: str, annotation: object) -> str:
    """Return a type as it is written, in the words of whoever uses it; nothing for none."""
    if annotation is inspect.Parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    whole = re.fullmatch(
        r"(?:AbstractAsyncContextManager|Async(?:Generator|Iterator))\[(.*)\]", text
    )
    if whole is not None:
        text = whole[1].removesuffix(", None")
    return before + text


def _raises(function: object) -> str:
    """Return what a function raises, as its docstring says it."""
    said = _section(function, "Raises")
    words = [f"`{name}`: {why.replace('|', chr(92) + '|')}" for name, why in said.items()]
    return f" Raises {' '.join(words)}" if words else ""


def _use(function: object) -> str:
    """Return the words with which a function is called: `async with`, `async for`, `await`."""
    returned = str(getattr(function, "__annotations__", {}).get("return", ""))
    if "AsyncContextManager" in returned or hasattr(function, "__wrapped__"):
        return "async with "
    if inspect.isasyncgenfunction(function) or returned.startswith("Async"):
        return "async for … in "
    return "await " if inspect.iscoroutinefunction(function) else ""


def _methods(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the calls of a class's own public methods, and what each does."""
    for name, member in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield name, sentence(member)
            continue
        function = getattr(member, "__func__", member)
        function = next(iter(get_overloads(function)), function) if callable(function) else None
        if inspect.isfunction(function) and function.__doc__:
            abstract = getattr(member, "__isabstractmethod__", False)
            call = _call(name, function).replace("|", "\\|") + (" *" if abstract else "")
            yield call, sentence(function) + _raises(function)


def described(name: str, thing: object) -> list[str]:
    """Return the lines about one public name; a method that has to be written has a star."""
    if not isinstance(thing, type):
        if not inspect.isfunction(thing):
            bare = re.sub(r"[a-z_.]+\.(?=[A-Z])", "", str(thing))
            return [f"## `{name}`", "", f"`{bare}`", ""]
        return [f"## `{_call(name, thing)}`", "", description(thing), ""]
    lines = [f"## `{name}`", "", description(thing), ""]
    own = issubclass(thing, Exception)  # what every error has stands in the root's description
    attributes = _section(thing, "Attributes") if own else attributes_of(thing)
    facts = {**_section(thing, "Args"), **attributes}
    if issubclass(thing, Enum):
        facts = {f"{each.name} = {each.value!r}": "" for each in thing}
    if facts:
        rows = [
            f"| `{known}` | {said.replace('|', chr(92) + '|')} |" for known, said in facts.items()
        ]
        lines += ["| field | |", "|---|---|", *rows, ""]
    methods = [f"| `{call}` | {said} |" for call, said in _methods(thing)]
    if methods:
        lines += ["| method | |", "|---|---|", *methods, ""]
    return lines
