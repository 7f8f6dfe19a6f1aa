"""Reads a Containerfile: its stages, their steps, and what an image is configured as.

As much of the format as deploy/Containerfile uses, and no more: what it does not know it refuses,
so that no step is passed over in silence. The format: the Dockerfile reference of Docker's manual.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

__all__ = [
    "EVERY_PATH",
    "Containerfile",
    "ContainerfileError",
    "Stage",
    "Step",
    "expanded",
    "is_ignored",
    "parse",
]

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
# Where programs are looked for, whatever an image says.
EVERY_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What is done to the root, and what is only written into the image's configuration.
WORK = ("RUN", "COPY", "WORKDIR")
CONFIGURATION = (
    *("ENV", "ARG", "LABEL", "USER", "EXPOSE", "VOLUME", "STOPSIGNAL"),
    *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
)


class ContainerfileError(ValueError):
    """Something in the file that is not understood; the message says where."""


@dataclass(frozen=True)
class Step:
    """One instruction.

    Attributes:
        line: Where it begins, from 1.
        name: The instruction, in capitals.
        rest: What follows it, on one line.
    """

    line: int
    name: str
    rest: str

    def words(self) -> list[str]:
        """Return what follows as words, quotes taken off; JSON where it is a list."""
        if self.rest.startswith("["):
            return [str(word) for word in json.loads(self.rest)]
        return shlex.split(self.rest)

    def pairs(self) -> dict[str, str]:
        """Return what follows as `NAME=value` pairs.

        Raises:
            ContainerfileError: It is something else.
        """
        words = [word.partition("=") for word in shlex.split(self.rest)]
        if not words or any(not equals for _, equals, _ in words):
            raise ContainerfileError(f"Line {self.line}: {self.name} takes NAME=value pairs here.")
        return {name: value for name, _, value in words}


@dataclass
class Stage:
    """A part of the file, from its FROM to the next.

    Attributes:
        name: Its name.
        base: The stage or the image it begins with, variables not yet replaced.
        steps: What is done, in order.
    """

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)


@dataclass
class Containerfile:
    """A file that was read.

    Attributes:
        arguments: What stands before the first stage: ARG and its value.
        stages: By name, in the file's order.
    """

    arguments: dict[str, str]
    stages: dict[str, Stage]

    def base_of(self, stage: Stage) -> str:
        """Return what a stage begins with."""
        return expanded(stage.base, self.arguments)

    def needed_for(self, target: str) -> list[Stage]:
        """Return the stages that a target needs, each after those it stands on.

        Raises:
            ContainerfileError: There is no such target.
        """
        if target not in self.stages:
            raise ContainerfileError(f"No stage {target!r}; there are {', '.join(self.stages)}.")
        found: dict[str, Stage] = {}

        def add(stage: Stage) -> None:
            for name in (self.base_of(stage), *copied_from(stage)):
                if name in self.stages and name not in found:
                    add(self.stages[name])
            found[stage.name] = stage

        add(self.stages[target])
        return list(found.values())

    def configuration(self, target: str) -> dict[str, Step]:
        """Return the last of each instruction that configures a target, its bases' included."""
        found: dict[str, Step] = {}
        for stage in self.line_of(target):
            found |= {s.name: s for s in stage.steps if s.name in CONFIGURATION}
        return found

    def environment(self, target: str) -> dict[str, str]:
        """Return the variables that a target's processes get."""
        return {"PATH": EVERY_PATH, **self._pairs(target, "ENV")}

    def labels(self, target: str) -> dict[str, str]:
        """Return an image's labels."""
        return self._pairs(target, "LABEL")

    def _pairs(self, target: str, name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for stage in self.line_of(target):
            scope = dict(self.arguments)
            for step in stage.steps:
                if step.name == "ARG":
                    scope |= argument(step, self.arguments)
                if step.name == "ENV":
                    scope |= step.pairs()
                if step.name == name:
                    found |= {k: expanded(v, scope) for k, v in step.pairs().items()}
        return found

    def line_of(self, target: str) -> list[Stage]:
        """Return a stage after those that it begins with."""
        stage = self.stages[target]
        base = self.base_of(stage)
        return [*(self.line_of(base) if base in self.stages else ()), stage]


def copied_from(stage: Stage) -> list[str]:
    """Return the stages from which another one copies."""
    return [
        word.removeprefix("--from=")
        for step in stage.steps
        if step.name == "COPY"
        for word in step.words()
        if word.startswith("--from=")
    ]


def argument(step: Step, given: Mapping[str, str]) -> dict[str, str]:
    """Return what an ARG stands for: what was given, else its default."""
    name, _, default = step.rest.partition("=")
    return {name.strip(): given.get(name.strip(), default.strip().strip('"'))}


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables replaced; those that are not set are empty."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


def _instructions(text: str) -> Iterator[Step]:
    begun, parts = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not parts):
            continue
        begun = begun if parts else number
        if stripped.endswith("\\"):
            parts.append(stripped[:-1].rstrip())
            continue
        name, _, rest = " ".join([*parts, stripped]).partition(" ")
        parts = []
        yield Step(begun, name.upper(), rest.strip())
    if parts:
        raise ContainerfileError(f"Line {begun}: the file ends in the middle of an instruction.")


def parse(text: str, arguments: Mapping[str, str] | None = None) -> Containerfile:
    """Read a Containerfile.

    Args:
        text: What stands in it.
        arguments: What `--build-arg` would give.

    Raises:
        ContainerfileError: Something in it is not known here.
    """
    given = dict(arguments or {})
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for step in _instructions(text):
        if step.name == "FROM":
            words = step.rest.split()
            if len(words) != 3 or words[1].upper() != "AS":
                raise ContainerfileError(f"Line {step.line}: write FROM image AS name.")
            stage = stages[words[2]] = Stage(words[2], words[0])
        elif step.name not in (*WORK, *CONFIGURATION):
            raise ContainerfileError(f"Line {step.line}: {step.name} is not known here.")
        elif stage is not None:
            stage.steps.append(step)
        elif step.name == "ARG":
            given = {**argument(step, given), **given}
        else:
            raise ContainerfileError(f"Line {step.line}: {step.name} before the first FROM.")
    if not stages:
        raise ContainerfileError("There is no FROM.")
    return Containerfile(given, stages)


def is_ignored(path: PurePosixPath, patterns: list[str]) -> bool:
    """Return whether a file of the context is left out, or a folder above it is.

    Patterns are those of an ignore file: of the context's root, `**/` for any folder.
    """
    names = [str(path), *(str(parent) for parent in path.parents if str(parent) != ".")]
    for pattern in patterns:
        loose = pattern.removeprefix("**/")
        for name in names:
            if fnmatch.fnmatchcase(name, pattern) and name.count("/") == pattern.count("/"):
                return True
            if loose != pattern and fnmatch.fnmatchcase(PurePosixPath(name).name, loose):
                return True
    return False
