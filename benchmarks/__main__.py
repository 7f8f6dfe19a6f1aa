"""Run every benchmark and write docs/reference/performance.md. `make bench` on a quiet machine."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from benchmarks.figures import Figure, report, shown

SCRIPTS = (
    "import_time",
    "audio_path",
    "live_bots",
    "fanout",
    "asyncio_bridge",
    "rehearsal_quality",
)
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


def main() -> int:
    """Run what is named on the command line, or everything; return how many figures were missed."""
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")] or list(SCRIPTS)
    results: dict[str, list[Figure]] = {}
    for name in chosen:
        print(f"-- {name}", flush=True)
        results[name] = import_module(f"benchmarks.{name}").measure()
        report(results[name])
    if chosen == list(SCRIPTS):
        PAGE.write_text(page(results).rstrip() + "\n", "utf-8")
        print(f"Wrote {PAGE}.")
    missed = [f for figures in results.values() for f in figures if f.reached is False]
    return len(missed)


if __name__ == "__main__":
    sys.exit(main())
