"""How the plugin is set: the table `[plugins.redact]`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import phonenumbers
from attrs import field, frozen

from meetcore import ConfigError

__all__ = ["COMMON_ID_NUMBERS", "RedactOptions"]

COMMON_ID_NUMBERS = (
    "iban",
    "us.ssn",
    "us.itin",
    "ca.sin",
    "gb.nhs",
    "ie.pps",
    "de.idnr",
    "at.vnr",
    "ch.ssn",
    "fr.nir",
    "es.dni",
    "es.nie",
    "it.codicefiscale",
    "nl.bsn",
    "be.nn",
    "pt.cc",
    "dk.cpr",
    "se.personnummer",
    "no.fodselsnummer",
    "fi.hetu",
    "pl.pesel",
    "cz.rc",
    "br.cpf",
    "au.tfn",
    "za.idnr",
    "in_.aadhaar",
    "in_.pan",
    "kr.rrn",
)
"""Numbers of people and accounts, by the names of python-stdnum's modules."""


def _known(instance: object, attribute: Any, value: tuple[str, ...]) -> None:
    for name in value:
        try:
            found = import_module(f"stdnum.{name}")
        except ModuleNotFoundError:
            found = None
        if not hasattr(found, "is_valid"):
            raise ConfigError(
                f"id_numbers in [plugins.redact] has {name!r}, which python-stdnum does not know.",
                "Names are those of its modules, for instance us.ssn, gb.nhs, iban.",
            )


def _region(instance: object, attribute: Any, value: str) -> None:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigError(
            f"region in [plugins.redact] cannot be {value!r}.",
            "Use two capital letters of ISO 3166, for instance US, GB, DE.",
        )


def _digits(instance: object, attribute: Any, value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigError(f"long_numbers in [plugins.redact] must be 1 or more, not {value}.")


def _names(instance: object, attribute: Any, value: tuple[str, ...]) -> None:
    if any(not name.strip() for name in value):
        raise ConfigError("names in [plugins.redact] has one without a letter.")
    if any(character in name for name in value for character in '[]"'):
        raise ConfigError(
            f"names in [plugins.redact] cannot be {value!r}: no name has brackets or quotes.",
            "With --set part names with commas: --set plugins.redact.names=Ada,Ben",
        )


def _score(instance: object, attribute: Any, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"presidio_score in [plugins.redact] is from 0 to 1, not {value:g}.")


@frozen(kw_only=True)
class RedactOptions:
    """What is left out.

    Attributes:
        emails: Whether e-mail addresses are.
        long_numbers: Any number of so many digits or more is; None for only those that are known.
        region: Where telephone numbers without a country's code are from, as in ISO 3166.
        id_numbers: Numbers of people and accounts, by the names of python-stdnum's modules.
        names: Names, and whatever else is to be left out where these words are said.
        presidio: Whether Microsoft's Presidio looks, too, which has to be installed.
        presidio_language: The language of what is said, as ISO 639 has it.
        presidio_model: The model of spaCy's that finds names of people and places; None for
            Presidio's patterns alone.
        presidio_entities: What of all that Presidio finds is left out, by its own names; all of it
            where none is named.
        presidio_score: How sure it has to be, 0 to 1.
    """

    emails: bool = True
    long_numbers: int | None = field(default=7, validator=_digits)
    region: str = field(default="US", validator=_region)
    id_numbers: tuple[str, ...] = field(default=COMMON_ID_NUMBERS, validator=_known)
    names: tuple[str, ...] = field(default=(), validator=_names)
    presidio: bool = False
    presidio_language: str = "en"
    presidio_model: str | None = None
    presidio_entities: tuple[str, ...] = ()
    presidio_score: float = field(default=0.5, validator=_score)
