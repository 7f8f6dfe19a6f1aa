"""Languages as people and vendors write them, to BCP-47 tags: one table for all. Pure.

Programs send `pt`, `pt-BR`, `pt_br`, `por`, `Portuguese` and `Português` for one language, and
`auto` or `multi` for none in particular.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from meetcore.model.errors import ConfigError

__all__ = ["LanguageRefused", "language_tag", "spoken_language"]

_NO_CHOICE = frozenset(
    {"", "any", "auto", "auto-detect", "auto_detect", "autodetect", "automatic", "default",
     "detect", "detect_language", "detect-language", "language_detection", "mul", "multi",
     "multilingual", "none", "und"}
)  # fmt: skip

_NAMES = """
af afr Afrikaans|am amh Amharic|ar ara Arabic العربية|as asm Assamese|az aze Azerbaijani
ba bak Bashkir|be bel Belarusian|bg bul Bulgarian|bn ben Bengali Bangla|bo bod Tibetan
br bre Breton|bs bos Bosnian|ca cat Catalan Català Valencian|cs ces cze Czech Čeština
cy cym wel Welsh|da dan Danish Dansk|de deu ger German Deutsch|el ell gre Greek Ελληνικά
en eng English|eo epo Esperanto|es spa Spanish Español Castilian|et est Estonian|eu eus Basque
fa fas per Persian Farsi فارسی|fi fin Finnish Suomi|fil Filipino|fo fao Faroese
fr fra fre French Français|ga gle Irish|gl glg Galician|gu guj Gujarati|ha hau Hausa|haw Hawaiian
he heb iw Hebrew עברית|hi hin Hindi हिन्दी|hr hrv Croatian|ht hat Haitian Creole
hu hun Hungarian Magyar|hy hye arm Armenian|id ind in Indonesian|is isl ice Icelandic
it ita Italian Italiano|ja jpn Japanese 日本語|jv jav jw Javanese|ka kat geo Georgian|kk kaz Kazakh
km khm Khmer|kn kan Kannada|ko kor Korean 한국어|la lat Latin|lb ltz Luxembourgish|ln lin Lingala
lo lao Lao|lt lit Lithuanian|lv lav Latvian|mg mlg Malagasy|mi mri mao Maori
mk mkd mac Macedonian|ml mal Malayalam|mn mon Mongolian|mr mar Marathi|ms msa may Malay
mt mlt Maltese|my mya bur Burmese Myanmar|nb nob Bokmål|ne nep Nepali|nl nld dut Dutch Nederlands
nn nno Nynorsk|no nor Norwegian Norsk|oc oci Occitan|pa pan Punjabi Panjabi
pl pol Polish Polski|ps pus Pashto|pt por Portuguese Português|ro ron rum Romanian Română Moldovan
ru rus Russian Русский|sa san Sanskrit|sd snd Sindhi|si sin Sinhala|sk slk slo Slovak
sl slv Slovenian Slovene|sn sna Shona|so som Somali|sq sqi alb Albanian|sr srp Serbian
su sun Sundanese|sv swe Swedish Svenska|sw swa Swahili|ta tam Tamil|te tel Telugu|tg tgk Tajik
th tha Thai|tk tuk Turkmen|tl tgl Tagalog|tr tur Turkish Türkçe|tt tat Tatar
uk ukr Ukrainian Українська|ur urd Urdu|uz uzb Uzbek|vi vie Vietnamese|yi yid ji Yiddish
yo yor Yoruba|yue Cantonese|zh zho chi cmn Chinese Mandarin 中文|zu zul Zulu
"""
_PHRASES = {
    "brazilian portuguese": "pt-BR", "european portuguese": "pt-PT",
    "simplified chinese": "zh-Hans", "traditional chinese": "zh-Hant",
    "american english": "en-US", "british english": "en-GB",
    "australian english": "en-AU", "latin american spanish": "es-419", "mexican spanish": "es-MX",
    "canadian french": "fr-CA", "swiss german": "de-CH",
}  # fmt: skip
# Who lists one of these means all of them: the first is what the others are kinds of.
_KINDS_OF = {"nb": "no", "nn": "no"}
_CODES = {
    name.lower(): names[0]
    for line in re.split(r"[|\n]", _NAMES.strip())
    for names in [line.split()]
    for name in names
}
_SCRIPT, _REGION = re.compile(r"[a-z]{4}"), re.compile(r"[a-z]{2}|[0-9]{3}")


class LanguageRefused(ConfigError):
    """A language that nobody knows, or that the transcriber does not speak."""

    code = "language_refused"


def language_tag(text: str | None) -> str | None:
    """Return the BCP-47 tag of a language, None for none in particular.

    A region or a script stays (`pt-BR`, `zh-Hant-TW`); a variant or an extension goes. A list of
    several leaves it to the transcriber which one is spoken.

    Raises:
        LanguageRefused: It is no language that is known here.
    """
    given = " ".join((text or "").split())
    if given.lower() in _NO_CHOICE:
        return None
    given = " ".join(re.sub(r"\s*\([^)]*\)", "", given).split()) or given
    several = [each for each in re.split(r"\s*[,|/+]\s*", given) if each]
    if len(several) > 1:
        tags = {language_tag(each) for each in several}
        return tags.pop() if len(tags) == 1 else None
    if given.lower() in _PHRASES:
        return _PHRASES[given.lower()]
    bare = re.sub(r"\s*\(.*\)$", "", given)
    first, *rest = re.split(r"[-_ ]", bare)
    code = _CODES.get(first.lower())
    if code is None:
        raise LanguageRefused(
            f"{given[:50]!r} is no language that is known here.",
            "Write a BCP-47 tag like 'en' or 'pt-BR', or leave it out.",
        )
    subtags = [code]
    for part in map(str.lower, rest):
        if _SCRIPT.fullmatch(part) and len(subtags) == 1:
            subtags.append(part.title())
        elif _REGION.fullmatch(part):
            subtags.append(part.upper())
            break
    return "-".join(subtags)


def _macro(tag: str) -> str:
    base = tag.partition("-")[0].lower()
    return _KINDS_OF.get(base, base)


def spoken_language(text: str | None, languages: Iterable[str], who: str) -> str | None:
    """Return the tag of a language that a transcriber is asked for, None for its own choice.

    A region is no reason to refuse: who speaks `en-US` is asked for `en-GB`, too.

    Args:
        text: As it was ordered.
        languages: What the transcriber speaks; none for 'whatever it detects'.
        who: The transcriber's name, for the message.

    Raises:
        LanguageRefused: It is unknown, or the transcriber does not speak it.
    """
    tag = language_tag(text)
    spoken = sorted(set(languages))
    if tag is None or not spoken:
        return tag
    if _macro(tag) not in map(_macro, spoken):
        raise LanguageRefused(
            f"{who} does not speak {text!r}; it speaks {', '.join(spoken)}.",
            "Choose one of these, or another transcriber, or leave the language out.",
        )
    return tag
