"""The scripts that read a platform's page: the pack, the reader, the platform's readers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from meetcore_browser.guest.joiner import GuestJoiner
from meetcore_browser.guest.look import pack_data
from meetcore_browser.page_script import PAGE_FOLDER
from meetcore_browser.selectors import SelectorPack

__all__ = ["reader_scripts", "snapshot_script"]


def reader_scripts(joiner: GuestJoiner) -> list[Path | str]:
    """Return the scripts of a platform's page, in the order in which they have to run.

    The pack goes with its wording of every language: a page is not always served in the one that
    it is asked for. An account's own, or the country that the request comes from, may count more.
    """
    return [
        f"meetcore.pack = {_data(joiner.pack)};",
        PAGE_FOLDER / "reader.js",
        *joiner.scripts,
        joiner.readers,
        PAGE_FOLDER / "observer.js",
    ]


def snapshot_script(pack: SelectorPack, readers: Sequence[Path]) -> str:
    """Return an expression that reads a saved page: its controls, and what each reader sees.

    What it evaluates to has the keys of page/reader.js's look, and `read` with a list for each
    reader.
    """
    texts = [path.read_text(encoding="utf-8") for path in (PAGE_FOLDER / "reader.js", *readers)]
    body = "\n".join(f"(() => {{\n{text}\n}})();" for text in texts)
    return f"""(() => {{
'use strict';
const meetcore = {{ pack: {_data(pack)}, tell() {{}}, offer() {{}}, readers: {{}} }};
{body}
const read = {{}};
for (const [topic, reader] of Object.entries(meetcore.readers)) {{
  try {{ read[topic] = reader(); }} catch (error) {{ read[topic] = {{ error: String(error) }}; }}
}}
return {{ ...meetcore.reader.look(), read }};
}})()"""


def _data(pack: SelectorPack) -> str:
    return json.dumps(pack_data(pack), ensure_ascii=False)
