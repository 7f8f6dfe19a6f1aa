"""Languages as people write them: one tag for each, and a refusal for what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.languages import LanguageRefused, language_tag, spoken_language


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        (None, None), ("", None), ("  ", None), ("auto", None), ("AUTO", None), ("multi", None),
        ("multilingual", None), ("detect", None), ("und", None),
        ("en", "en"), ("EN", "en"), ("eng", "en"), ("English", "en"), ("english", "en"),
        ("en-US", "en-US"), ("en_us", "en-US"), ("en-us", "en-US"), ("English (US)", "en"),
        ("pt", "pt"), ("pt-BR", "pt-BR"), ("pt_br", "pt-BR"), ("Portuguese", "pt"),
        ("Português", "pt"), ("por", "pt"), ("de", "de"), ("Deutsch", "de"), ("ger", "de"),
        ("es-419", "es-419"), ("zh-Hant-TW", "zh-Hant-TW"), ("zh-hans", "zh-Hans"),
        ("zh-CN", "zh-CN"),
        ("Mandarin", "zh"), ("yue", "yue"), ("iw", "he"), ("jw", "jv"), ("nb", "nb"),
        ("日本語", "ja"),
        ("en-US,de-DE", None), ("en, en", "en"), ("de|fr", None), ("detect_language", None),
        ("Chinese (Mandarin, Simplified)", "zh"), ("Serbian (Cyrillic, Serbia)", "sr"),
        ("English (US/UK)", "en"), ("Spanish (Spain, Latin America)", "es"),
        ("cmn-Hans-CN", "zh-Hans-CN"), ("Brazilian Portuguese", "pt-BR"),
        ("Simplified  Chinese", "zh-Hans"), ("British English", "en-GB"),
        ("de-CH-1996", "de-CH"), ("en-US-x-twain", "en-US"), ("Haitian Creole", "ht"),
    ],
)  # fmt: skip
def test_a_language_has_one_tag_however_it_is_written(text, tag):
    assert language_tag(text) == tag


@pytest.mark.parametrize("text", ["Klingon", "xx", "xx-YY", "12", "-", "en;de", "en,xx", "\x00"])
def test_what_is_no_language_is_refused_by_name(text):
    with pytest.raises(LanguageRefused, match="no language"):
        language_tag(text)


@given(st.text(max_size=20))
def test_a_tag_is_a_fixed_point(text):
    try:
        tag = language_tag(text)
    except LanguageRefused:
        return
    assert language_tag(tag) == tag


def test_a_transcriber_is_asked_for_what_it_speaks_alone():
    assert spoken_language("English", ["en-US"], "it") == "en"
    assert spoken_language("en_GB", ["en-US"], "it") == "en-GB"
    assert spoken_language("auto", ["en-US"], "it") is None
    assert spoken_language("pt-BR", [], "it") == "pt-BR"
    assert spoken_language("nb-NO", ["no"], "it") == "nb-NO"
    assert spoken_language("no", ["nb"], "it") == "no"
    with pytest.raises(LanguageRefused, match="it does not speak 'pt-BR'; it speaks en-US"):
        spoken_language("pt-BR", ["en-US"], "it")
