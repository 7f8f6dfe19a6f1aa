"""Alerts and dashboard: each metric, label and value that they name is one that a server tells."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from meetcore import EndReason, State
from tests.deploy.kube_tools import ROOT, kustomized
from tests.plugins.server.running import DENY, http, ordered, serving, until

DEPLOY = ROOT / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/meetcore.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
# Given by Prometheus itself.
PROMETHEUS_OWN = {"up", "job", "instance"}
VALUES: dict[str, set[str]] = {
    "state": {state.value for state in State},
    "reason": {reason.value for reason in EndReason},
    "status": {f"{number}xx" for number in range(1, 6)},
    "result": {"delivered", "held", "given_up"},
}
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? \S+$")


def expressions() -> dict[str, str]:
    """Return every query that is shipped, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in RULES}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    [scaled] = [o for (kind, _), o in kustomized("room").items() if kind == "ScaledObject"]
    for number, trigger in enumerate(scaled["spec"]["triggers"]):
        found[f"room {number}"] = trigger["metadata"]["query"]
    return found


def parsed(expression: str) -> Any:
    """Read a query as Prometheus does, with Grafana's variables replaced."""
    return promql_parser.parse(expression.replace("$__rate_interval", "5m").replace("$job", ".*"))


def selectors(node: Any) -> Iterator[Any]:
    """Yield what a query selects."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    for name in ("lhs", "rhs", "expr", "args", "vector_selector", "param"):
        inner = getattr(node, name, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None and not isinstance(each, str):
                yield from selectors(each)


def groupings(expression: str) -> set[str]:
    """Return the labels that a query groups by."""
    return {
        label.strip()
        for found in re.findall(r"\bby\s*\(([^)]*)\)", expression)
        for label in found.split(",")
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, set[str]]:
    """The metrics of a server whose bot has ended, with their labels."""
    import trio

    texts: list[str] = []

    async def ask() -> None:
        folder = tmp_path_factory.mktemp("server")
        async with serving(folder) as server, http(server) as client:
            bot = await ordered(client, DENY)
            await until(client, bot["id"], "failed")
            while 'state="failed",reason="denied"} 1' not in (
                text := (await client.get("/metrics")).text
            ):
                await trio.lowlevel.checkpoint()
            texts.append(text)

    trio.run(ask)
    found: dict[str, set[str]] = defaultdict(set)
    for line in texts[0].splitlines():
        sample = SAMPLE.match(line)
        if sample is not None:
            found[sample[1]] |= set(re.findall(r'(\w+)="', sample[2] or ""))
    return found


def test_every_query_is_one_that_prometheus_reads():
    found = expressions()
    assert len(found) > 20
    for where, expression in found.items():
        names = [each.name for each in selectors(parsed(expression))]
        assert names, where


def test_every_metric_and_label_is_one_that_the_server_tells(told):
    for where, expression in expressions().items():
        known: set[str] = set()
        for each in selectors(parsed(expression)):
            assert each.name in told or each.name in PROMETHEUS_OWN, f"{where}: {each.name}"
            labels = told.get(each.name, set()) | PROMETHEUS_OWN
            known |= labels
            for matcher in each.matchers.matchers:
                assert matcher.name in labels, f"{where}: {each.name} has no {matcher.name}"
                if matcher.name in VALUES:
                    assert set(matcher.value.split("|")) <= VALUES[matcher.name], where
        assert groupings(expression) <= known, where


def test_the_check_finds_what_it_is_there_for(told):
    [wrong] = selectors(parsed('sum by (state) (rate(meetcore_bot{state="recording"}[5m]))'))
    assert wrong.name not in told
    assert [matcher.name for matcher in wrong.matchers.matchers] == ["state"]
    assert groupings("sum by (a, b) (c)") == {"a", "b"}
    assert told["meetcore_bots_ended_total"] == {"state", "reason"}


def test_every_metric_is_on_the_dashboard_or_in_an_alert_or_about_the_process(told):
    used = {s.name for e in expressions().values() for s in selectors(parsed(e))}
    assert set(told) - used == {"meetcore_uptime_seconds"}


def test_every_alert_says_how_bad_it_is_and_what_it_means():
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m")), rule["alert"]


def test_panels_do_not_overlap_and_say_what_they_show():
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}


def test_prometheus_reads_the_rules_and_asks_the_server():
    settings = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    [job] = settings["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    service, _, port = target.partition(":")
    assert f":{port}" in compose["services"][service]["ports"][0]
    mounted = [v for v in compose["services"]["prometheus"]["volumes"] if v.startswith("./")]
    assert mounted == ["./prometheus:/etc/prometheus:ro"]
    assert settings["rule_files"] == ["/etc/prometheus/alerts.yml"]
    up = next(rule["expr"] for rule in RULES if rule["alert"] == "MeetcoreServerDown")
    [pattern] = re.findall(r'up\{job=~"([^"]*)"\} == 0', up)
    assert re.fullmatch(pattern, job["job_name"])
    provided = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/meetcore.yml").read_text("utf-8")
    )["providers"][0]["options"]["path"]
    volumes = compose["services"]["grafana"]["volumes"]
    assert f"./grafana/meetcore.json:{provided}/meetcore.json:ro" in volumes
