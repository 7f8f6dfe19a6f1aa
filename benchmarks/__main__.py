"""Run every benchmark and write docs/reference/performance.md. `make bench` on a quiet machine.

`python -m benchmarks NAME …` measures some anew; the others keep the figures of results.json.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from attrs import asdict

from benchmarks.figures import Figure, report, shown

SCRIPTS = (
    "import_time",
    "browser_start",
    "bot_cost",
    "video_cost",
    "video_sync",
    "voice_delay",
    "audio_path",
    "late_names",
    "stream_adapters",
    "live_bots",
    "fanout",
    "asyncio_bridge",
    "fidelity",
    "upload",
    "encrypted_cost",
    "bus",
    "load",
    "serve_create",
    "serve_fanout",
    "serve_webhooks",
    "serve_rest",
    "serve_memory",
)
RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"


def page(results: dict[str, list[Figure]]) -> str:
    """Return the page: per script what it says it measures, and its figures."""
    lines = [
        "# Performance",
        "",
        "<!-- Written by `make bench`. Do not edit. -->",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {platform.machine()}, "
        f"{platform.system()}, Python {platform.python_version()}; a shared machine, so quote the",
        "ratios, which were taken within one run, before the absolute figures. Median of the runs,",
        "smallest and largest in brackets.",
        "",
    ]
    for name, figures in results.items():
        script = import_module(f"benchmarks.{name}")
        lines += [f"## {name.replace('_', ' ')}", "", (script.__doc__ or "").strip(), ""]
        lines += [
            f"`python -m benchmarks.{name}`",
            "",
            "| figure | median | spread | runs | wanted | |",
            "|---|---|---|---|---|---|",
        ]
        for figure in figures:
            mark = {True: "reached", False: "**not reached**", None: ""}[figure.reached]
            lines.append(
                f"| {figure.name} | {shown(figure.median)} {figure.unit} "
                f"| {shown(figure.low)} – {shown(figure.high)} | {figure.runs} "
                f"| {figure.wanted} | {mark} |"
            )
        lines.append("")
    return "\n".join(lines)


def kept() -> dict[str, list[Figure]]:
    """Return the figures of earlier runs."""
    if not RESULTS.is_file():
        return {}
    saved = json.loads(RESULTS.read_text("utf-8"))
    return {name: [Figure(**figure) for figure in figures] for name, figures in saved.items()}


def main() -> int:
    """Run what is named on the command line, or everything; return how many figures were missed."""
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")] or list(SCRIPTS)
    results = kept()
    for name in chosen:
        print(f"-- {name}", flush=True)
        results[name] = import_module(f"benchmarks.{name}").measure()
        report(results[name])
        saved = {key: [asdict(figure) for figure in results[key]] for key in results}
        RESULTS.write_text(json.dumps(saved, indent=1) + "\n", "utf-8")
    ordered = {name: results[name] for name in SCRIPTS if name in results}
    PAGE.write_text(page(ordered).rstrip() + "\n", "utf-8")
    print(f"Wrote {PAGE}.")
    return sum(figure.reached is False for name in chosen for figure in results[name])


if __name__ == "__main__":
    sys.exit(main())
