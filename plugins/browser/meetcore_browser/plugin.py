"""The plugin's hooks: `meetcore doctor` says whether there is a browser."""

from __future__ import annotations

from meetcore.contracts import HealthReport
from meetcore.hooks import hookimpl

meetcore_api_version = "1.0"


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Report which Chromium the web joiners would use, or how to get one."""
    from meetcore_browser.errors import ChromiumMissing
    from meetcore_browser.finder import chromium_version, find_chromium

    try:
        found = find_chromium()
        version = chromium_version(found.path)
    except ChromiumMissing as missing:
        report.trouble("Chromium", missing.message, missing.remedy)
    else:
        report.fine("Chromium", f"{version} at {found.path}")
