"""Pages in files, as browsers, bots and tracing write them: found whole, or refused in words."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_browser.guest.saved_page import (
    UNKNOWN_ADDRESS,
    SavedPageInvalid,
    load_saved_pages,
)

MHTML = """From: <Saved by Blink>
Snapshot-Content-Location: https://toy.example/m?pwd=x
Subject: Toy
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="--B--"

----B--
Content-Type: text/html
Content-ID: <frame-1@mhtml.blink>
Content-Transfer-Encoding: quoted-printable
Content-Location: https://toy.example/m?pwd=x

<html><link rel=3D"stylesheet" href=3D"cid:css-1@mhtml.blink"><p class=3D"gone">Some=
body will let you in</p><iframe src=3D"cid:frame-2@mhtml.blink"></iframe></html>
----B--
Content-Type: text/css
Content-ID: <css-1@mhtml.blink>
Content-Transfer-Encoding: quoted-printable
Content-Location: cid:css-1@mhtml.blink

.gone { display: none }
----B--
Content-Type: text/html
Content-ID: <frame-2@mhtml.blink>
Content-Transfer-Encoding: base64

PGgxPllvdeKAmXZlIGJlZW4gcmVtb3ZlZDwvaDE+
----B----
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_page_knows_where_it_was_saved_from(tmp_path: Path) -> None:
    for markup in (
        "<!-- saved from url=(0019)https://toy.example/m --><html></html>",
        '<html><link rel="canonical" href="https://toy.example/m"></html>',
        '<meta property="og:url" content="https://toy.example/m">',
    ):
        (page,) = load_saved_pages(write(tmp_path / "p.html", markup))
        assert page.address == "https://toy.example/m"
    (page,) = load_saved_pages(write(tmp_path / "p.html", "<p>hello"))
    assert page.address == UNKNOWN_ADDRESS


def test_a_page_does_not_lead_away_from_itself(tmp_path: Path) -> None:
    markup = '<META http-equiv="Refresh" content="0; url=https://away.example/"><p>here</p>'
    (page,) = load_saved_pages(write(tmp_path / "p.html", markup))
    assert "away.example" not in page.markup


def test_a_single_file_page_has_its_styles_and_frames(tmp_path: Path) -> None:
    (page,) = load_saved_pages(write(tmp_path / "p.mhtml", MHTML.replace("\n", "\r\n")))
    assert page.address == "https://toy.example/m?pwd=x"
    assert "Somebody will let you in" in page.markup
    kind, css = page.part("https://cid.invalid/css-1@mhtml.blink") or ("", b"")
    assert (kind, css.strip()) == ("text/css", b".gone { display: none }")
    _, frame = page.part("https://cid.invalid/frame-2@mhtml.blink") or ("", b"")
    assert "You’ve been removed" in frame.decode()


def test_the_folder_that_a_browser_saved_beside_a_page_is_used_and_nothing_else(
    tmp_path: Path,
) -> None:
    (tmp_path / "p_files").mkdir()
    write(tmp_path / "p_files" / "a.css", ".x {}")
    write(tmp_path / "secret.css", "no")
    (page,) = load_saved_pages(write(tmp_path / "p.html", "<html>"))
    assert page.part(f"{UNKNOWN_ADDRESS}p_files/a.css") == ("text/css", b".x {}")
    for other in ("secret.css", "p_files/../secret.css", "p_files/%2e%2e/secret.css", "p_files/b"):
        assert page.part(UNKNOWN_ADDRESS + other) is None


def test_a_bots_diagnostics_are_read_as_a_folder_and_zipped(tmp_path: Path) -> None:
    folder = tmp_path / "01-join"
    folder.mkdir()
    write(folder / "page.html", "<p>What is this?</p>")
    write(folder / "report.json", json.dumps({"page": {"url": "https://toy.example/m"}}))
    (page,) = load_saved_pages(folder)
    assert page.address == "https://toy.example/m"
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"diagnostics/01-join/{file.name}")
    (zipped,) = load_saved_pages(tmp_path / "d.zip")
    assert (zipped.address, zipped.markup) == (page.address, page.markup)
    assert zipped.label == "diagnostics/01-join"


def test_a_trace_gives_its_pages_put_together_from_what_they_refer_to(
    tmp_path: Path,
) -> None:
    first = ["HTML", {}, ["HEAD", {}], ["BODY", {"class": "a&b"}, ["P", {}, "one"], ["BR", {}]]]
    second = ["HTML", {}, [[1, 0]], ["BODY", {}, [[1, 2]], ["SCRIPT", {}, "bad()"], "two < three"]]
    lines = [
        {
            "type": "frame-snapshot",
            "snapshot": {"frameId": "f", "frameUrl": "https://t/", "html": h},
        }
        for h in (first, second)
    ]
    lines.insert(1, {"type": "action", "snapshot": "nothing"})
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        text = "\n".join([*map(json.dumps, lines), "no json"])
        archive.writestr("0-trace.trace", text)
    earlier, page = load_saved_pages(tmp_path / "t.zip")
    assert (earlier.label, page.label) == ("page 1, 1 of 2", "page 1, 2 of 2")
    assert page.address == "https://t/"
    assert page.markup == (
        "<!doctype html>\n<html><head></head><body><p>one</p>two &lt; three</body></html>"
    )


def test_a_long_trace_gives_some_of_it_and_the_last_at_each_address(tmp_path: Path) -> None:
    lines = []
    for at in range(200):
        where = "https://t/lobby" if at < 150 else "https://t/call"
        snapshot = {"pageId": "p", "frameId": "f", "frameUrl": where, "html": ["P", {}, str(at)]}
        inner = {"pageId": "p", "frameId": "i", "frameUrl": "https://t/in", "isMainFrame": False,
                 "html": ["B", {}, str(at)]}  # fmt: skip
        foreign = {**inner, "frameId": "x", "frameUrl": "https://elsewhere/"}
        lines += [{"type": "frame-snapshot", "snapshot": s} for s in (snapshot, inner, foreign)]
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("trace.trace", "\n".join(map(json.dumps, lines)))
    pages = load_saved_pages(tmp_path / "t.zip")
    seen = [page.markup.partition("<p>")[2].removesuffix("</p>") for page in pages]
    assert len(pages) <= 24
    assert {"0", "149", "199"} <= set(seen)
    assert pages[-1].part("https://t/snapshot/i") == (
        "text/html", b"<!doctype html>\n<b>199</b>")  # fmt: skip
    assert pages[-1].part("https://t/snapshot/x") is None


def test_a_bots_diagnostics_have_their_frames(tmp_path: Path) -> None:
    write(tmp_path / "page.html", '<iframe id="webclient" src="/in?x=1"></iframe>')
    write(tmp_path / "frame-1.html", "<b>in</b>")
    frames = ["https://toy.example/m", "about:blank", "https://toy.example/in?x=1"]
    report = {"url": "https://toy.example/m", "frames": frames}
    write(tmp_path / "report.json", json.dumps(report))
    (page,) = load_saved_pages(tmp_path)
    assert page.address == "https://toy.example/m"
    assert page.part("https://toy.example/in?x=1") == ("text/html", b"<b>in</b>")


def test_what_a_browser_saved_in_a_folder_is_one_page_zipped_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("saved/Call.html", "<!-- saved from url=(0019)https://toy.example/m -->")
        archive.writestr("saved/Call_files/saved_resource.html", "<b>in</b>")
        archive.writestr("saved/Call_files/a.css", ".x {}")
    (page,) = load_saved_pages(tmp_path / "p.zip")
    assert page.address == "https://toy.example/m"
    assert page.part("https://toy.example/Call_files/saved_resource.html") == (
        "text/html", b"<b>in</b>")  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-8", '<meta charset="windows-1252">'),
        ("utf-16", ""),
        ("utf-16-le", ""),
        ("utf-16-be", ""),
        ("windows-1252", '<meta charset="iso-8859-1">'),
        ("windows-1252", ""),
        ("windows-1252", '<meta charset="no-such">'),
    ],
)
def test_a_page_is_read_in_the_encoding_it_was_saved_in(
    tmp_path: Path, encoding: str, head: str
) -> None:
    words = "<p>Die Besprechung wurde für alle beendet</p>"
    (tmp_path / "p.html").write_bytes((head + words).encode(encoding))
    (page,) = load_saved_pages(tmp_path / "p.html")
    assert page.markup.endswith(words)


@pytest.mark.parametrize("encoding", ["shift_jis", "euc-jp", "iso-2022-jp"])
def test_a_japanese_page_says_its_encoding(tmp_path: Path, encoding: str) -> None:
    words = "<p>会議は終了しました</p>"
    data = f"<meta http-equiv=Content-Type content='text/html; charset={encoding}'>{words}"
    (tmp_path / "p.html").write_bytes(data.encode(encoding))
    assert load_saved_pages(tmp_path / "p.html")[0].markup.endswith(words)


def test_a_part_of_a_single_file_is_read_in_the_encoding_that_is_said_of_it(tmp_path: Path) -> None:
    mhtml = MHTML.replace("Content-Type: text/css", "Content-Type: text/css; charset=windows-1252")
    (tmp_path / "p.mhtml").write_bytes(mhtml.replace(".gone {", ".fort=FC {").encode())
    (page,) = load_saved_pages(tmp_path / "p.mhtml")
    _, css = page.part("https://cid.invalid/css-1@mhtml.blink") or ("", b"")
    assert css.decode().startswith(".fortü {")


@pytest.mark.parametrize(
    ("markup", "address"),
    [
        ("<!-- saved from url=(0014)about:internet --><p>", UNKNOWN_ADDRESS),
        ("<!-- saved from url=(0022)file:///home/a/p.html --><p>", UNKNOWN_ADDRESS),
        ("<!--\n Page saved with SingleFile \n url: https://toy.example/m \n saved date: x\n--><p>",
         "https://toy.example/m"),
        ("<html><!-- saved from url=(0021)https://toy.example/m -->", "https://toy.example/m"),
    ],
)  # fmt: skip
def test_only_an_address_of_the_web_is_one(tmp_path: Path, markup: str, address: str) -> None:
    assert load_saved_pages(write(tmp_path / "p.html", markup))[0].address == address
    mhtml = MHTML.replace("https://toy.example/m?pwd=x", "about:blank")
    assert load_saved_pages(write(tmp_path / "p.mhtml", mhtml))[0].address == UNKNOWN_ADDRESS


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.html", b""), ("text.txt", b"just words"), ("broken.zip", b"PK\x03\x04 no zip")],
)
def test_what_is_no_page_is_refused_in_words(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SavedPageInvalid, match=str(path)):
        load_saved_pages(path)
    with pytest.raises(SavedPageInvalid, match="cannot be read"):
        load_saved_pages(tmp_path / "none.html")


@given(data=st.binary(max_size=300), head=st.sampled_from([b"", b"<", MHTML[:200].encode()]))
def test_no_file_is_a_surprise(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes):
    path = tmp_path_factory.mktemp("saved") / "p.mhtml"
    path.write_bytes(head + data)
    with suppress(SavedPageInvalid):
        assert load_saved_pages(path)
