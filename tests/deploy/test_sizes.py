"""The sizes that are told are those that follow from what was measured, and so do the manifests."""

from __future__ import annotations

import re
from typing import Any

import yaml

from meetcore_kubernetes.options import KubernetesOptions
from tests.deploy.kube_tools import ROOT, kustomized

PAGE = (ROOT / "docs/how-to/deploy.md").read_text("utf-8")
MEASURED = (ROOT / "docs/reference/performance.md").read_text("utf-8")
CORES, MEMORY_MB, WHISPER_MB = 0.5, 768, 320
NODE_CORES, NODE_MB, FOR_BOTS = 16, 64_000, 0.9


def figure(name: str) -> float:
    """Return the median of a figure that was measured."""
    found = re.search(rf"^\| {re.escape(name)} \| (-?[\d.,]+) ", MEASURED, re.MULTILINE)
    assert found is not None, name
    return float(found[1].replace(",", ""))


def memory_mb(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def cores(text: str) -> float:
    return int(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


def test_the_plan_for_a_bot_covers_what_was_measured():
    browsers = [figure(f"{p}, 4 people: bot's browser and driver") for p in
                ("rehearsal", "janus", "meet", "zoom", "teams")]  # fmt: skip
    assert max(browsers) + figure("an idle bot of 20: its process") < MEMORY_MB
    whisper = figure("worker's CPU per talking second, with drafts")
    assert figure("a bot: listens") / 100 + whisper < CORES
    pages = ("janus", "meet", "zoom", "teams")
    assert max(figure(f"{p}, 4 people: bot") for p in pages) / 100 + whisper < CORES
    assert figure("worker's memory (PSS)") < WHISPER_MB
    assert figure("a bot: recorded") / 100 < CORES + 0.25
    assert f"{CORES} of a core and {MEMORY_MB} MB" in PAGE
    options = KubernetesOptions(image="x")
    assert (cores(options.cpu_request), memory_mb(options.memory_request)) == (CORES, MEMORY_MB)


def test_the_figures_of_the_page_are_the_measured_ones():
    quoted = {
        "a bot: listens": "14.5 % of a core",
        "a bot: recorded": "37.6 %",
        "health": "3,193 `/health`",
        "one bot": "1,426 requests for a bot",
        "list of 50": "363 lists of fifty",
        "16 targets of a host: the server": "1,214 webhook deliveries",
    }
    for name, words in quoted.items():
        told = float(re.search(r"[\d.,]+", words)[0].replace(",", ""))  # type: ignore[index]
        assert words in PAGE
        # A benchmark that is run again moves a little; the page is wrong when it moved a lot.
        assert 0.7 < figure(name) / told < 1.4, f"{name}: {figure(name)} is not {told}"


def test_the_table_is_computed_from_the_plan():
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d.,]+) \| ([\d.,]+) GB \| ([^|]+) \| ([\d.,]+) GB \|",
        PAGE,
        re.MULTILINE,
    )
    assert [row[0] for row in rows] == ["10", "100", "1,000", "10,000"]
    for bots, all_cores, all_memory, nodes, with_whisper in rows:
        count = int(bots.replace(",", ""))
        assert float(all_cores.replace(",", "")) == count * CORES
        assert abs(float(all_memory.replace(",", "")) - count * MEMORY_MB / 1024) < count * 0.01
        told = float(with_whisper.replace(",", ""))
        assert abs(told - count * (MEMORY_MB + WHISPER_MB) / 1024) < count * 0.01
        by_cores = count * CORES / (NODE_CORES * FOR_BOTS)
        by_memory = count * MEMORY_MB / (NODE_MB * FOR_BOTS)
        needed = -int(-max(by_cores, by_memory) // 1)
        assert nodes.strip() in (f"{needed:,}", "a part of one"), (bots, needed)


def resources(overlay: str, name: str) -> dict[str, Any]:
    spec = kustomized(overlay)["Deployment", name]["spec"]["template"]["spec"]
    found: dict[str, Any] = spec["containers"][0]["resources"]
    return found


def test_the_manifests_ask_for_what_the_plan_says():
    single = resources("single", "meetcore-server")
    settings = kustomized("single")["ConfigMap", "meetcore-settings"]["data"]
    most = int(settings["MEETCORE_PLUGINS__SERVER__MAX_BOTS"])
    assert cores(single["requests"]["cpu"]) >= most * CORES
    assert memory_mb(single["requests"]["memory"]) >= most * MEMORY_MB + WHISPER_MB + 256
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
    server = compose["services"]["server"]
    limits = server["deploy"]["resources"]["limits"]
    most = int(server["environment"]["MEETCORE_PLUGINS__SERVER__MAX_BOTS"])
    assert float(limits["cpus"]) >= most * CORES
    assert int(limits["memory"].removesuffix("g")) * 1024 >= most * MEMORY_MB + WHISPER_MB + 256


def test_the_alerts_are_counted_right():
    text = (ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8")
    words = {12: "twelve", 13: "thirteen", 14: "fourteen"}
    assert f"has {words[text.count('- alert:')]} alerts" in PAGE
