"""The manifests: what the schemas of two Kubernetes say, the chart, the code; and who may what."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import kubernetes_validate
import pytest

import meetcore
from deploy.containerfile import parse
from meetcore import BotSpec, build_options, load_config
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_kubernetes.pods import pod_manifest
from meetcore_server.native.health import HANDLERS
from tests.deploy.kube_tools import ROOT, SETTINGS, as_made, charted, kustomized, program
from tests.deploy.settings_of import parse_serve, read_as_meetcore_does, secrets_in

Objects = dict[tuple[str, str], dict[str, Any]]

OVERLAYS = ("single", "cluster", "room")
VERSIONS = ("1.35", "1.37")
# Kinds that others bring into a cluster: they are in no schema of Kubernetes' own.
BROUGHT = {"ScaledObject"}
SECRETS = {
    "plugins__server__database": "postgresql://meetcore:word@db.example.org/meetcore",
    "plugins__server__api_key": "mc_0123456789",
    "plugins__redis__password": "word",
}


@cache
def objects(overlay: str) -> Objects:
    return kustomized(overlay)


def all_objects() -> list[dict[str, Any]]:
    return [each for overlay in OVERLAYS for each in objects(overlay).values()]


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each workload's name with its pod and the container in it."""
    for each in all_objects():
        if each["kind"] == "Deployment":
            spec = each["spec"]["template"]["spec"]
            for container in spec["containers"]:
                yield each["metadata"]["name"], spec, container


def server(overlay: str) -> tuple[dict[str, Any], dict[str, Any]]:
    deployment = objects(overlay)["Deployment", "meetcore-server"]
    spec = deployment["spec"]["template"]["spec"]
    [container] = spec["containers"]
    return spec, container


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_one_that_this_kubernetes_knows(overlay, version):
    for each in objects(overlay).values():
        if each["kind"] not in BROUGHT:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_validator_refuses_what_a_cluster_would_refuse():
    _, container = server("single")
    wrong = {**objects("single")["Deployment", "meetcore-server"], "speck": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[1], strict=True)
    assert container["name"] == "server"


def by_name(value: Any) -> Any:
    """Return a value with the lists of named things sorted: their order means nothing."""
    if isinstance(value, dict):
        return {key: by_name(each) for key, each in value.items()}
    if isinstance(value, list):
        items = [by_name(each) for each in value]
        named = all(isinstance(each, dict) and "name" in each for each in items)
        return sorted(items, key=lambda each: each["name"]) if named else items
    return value


def without_digest(found: Objects) -> Objects:
    """Return objects without what stands for their settings: kustomize has it in their name."""
    made = deepcopy(found)
    template = made["Deployment", "meetcore-server"]["spec"]["template"]
    template["metadata"]["annotations"].pop("checksum/settings", None)
    return made


@pytest.mark.parametrize("mode", ["single", "cluster"])
def test_the_chart_says_what_the_manifests_say(mode):
    assert by_name(without_digest(charted(f"mode={mode}"))) == by_name(objects(mode))


def pod_template(found: Objects) -> dict[str, Any]:
    template: dict[str, Any] = found["Deployment", "meetcore-server"]["spec"]["template"]
    return template


@pytest.mark.parametrize("overlay", ["single", "cluster"])
def test_who_changes_a_setting_has_new_pods_with_it(overlay, tmp_path):
    """By kustomize the settings have another name then, by the chart the pod another note."""
    made = as_made(overlay)
    [name] = [name for kind, name in made if kind == "ConfigMap"]
    assert name.startswith(f"{SETTINGS}-")
    [container] = pod_template(made)["spec"]["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": name}}]
    tree = shutil.copytree(ROOT / "deploy" / "kubernetes", tmp_path / "kubernetes")
    settings = tree / "base" / "settings.env"
    settings.write_text(settings.read_text("utf-8") + "MEETCORE_NAME=Notes\n", "utf-8")
    changed = as_made(overlay, tree)
    assert ("ConfigMap", name) not in changed
    assert pod_template(changed) != pod_template(made)
    given = charted(f"mode={overlay}"), charted(f"mode={overlay}", "settings.MEETCORE_NAME=Notes")
    notes = [pod_template(each)["metadata"]["annotations"] for each in given]
    assert notes[0]["checksum/settings"] != notes[1]["checksum/settings"]


def test_nobody_says_how_many_there_are_of_what_is_scaled():
    """Each `apply`, and each upgrade of the chart, would undo what an autoscaler chose."""
    for found in (objects("cluster"), objects("room"), charted("mode=cluster")):
        scaled = [
            each["spec"]["scaleTargetRef"]["name"]
            for (kind, _), each in found.items()
            if kind in ("HorizontalPodAutoscaler", "ScaledObject")
        ]
        assert scaled
        for name in scaled:
            assert "replicas" not in found["Deployment", name]["spec"], name
    assert objects("single")["Deployment", "meetcore-server"]["spec"]["replicas"] == 1


def test_helm_finds_nothing_wrong_with_the_chart():
    done = subprocess.run(
        [program("helm"), "lint", "--strict", str(ROOT / "deploy" / "helm")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


def test_the_chart_takes_what_its_values_offer():
    made = charted(
        "image.repository=registry.example.org/team/", "image.tag=9", "secretName=others",
        "single.maxBots=3", "single.storageClass=fast", "image.pullSecrets[0].name=pull",
        "settings.MEETCORE_NAME=Notes",
    )  # fmt: skip
    spec = made["Deployment", "meetcore-server"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "registry.example.org/team/meetcore-bot:9"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert {"others"} == {v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v}
    data = made["ConfigMap", "meetcore-settings"]["data"]
    assert (data["MEETCORE_PLUGINS__SERVER__MAX_BOTS"], data["MEETCORE_NAME"]) == ("3", "Notes")
    assert made["PersistentVolumeClaim", "meetcore-work"]["spec"]["storageClassName"] == "fast"
    many = charted("mode=cluster", "image.repository=r.example.org", "cluster.bus=redis://b:1",
                   "cluster.botsReach[0].cidr=10.20.0.5/32", "cluster.botsReach[0].port=6379",
                   "image.pullSecrets[0].name=one", "image.pullSecrets[1].name=two",
                   "cluster.nodeDns={169.254.20.10/32,10.96.0.10/32}")  # fmt: skip
    told = many["ConfigMap", "meetcore-settings"]["data"]
    assert told["MEETCORE_BUS__URL"] == "redis://b:1"
    image = told["MEETCORE_PLUGINS__KUBERNETES__IMAGE"]
    assert image == f"r.example.org/meetcore-bot:{meetcore.__version__}"
    assert told["MEETCORE_PLUGINS__KUBERNETES__IMAGE_PULL_SECRETS"] == "one,two"
    reached = many["NetworkPolicy", "meetcore-bots"]["spec"]["egress"]
    own = {
        "to": [{"ipBlock": {"cidr": "10.20.0.5/32"}}],
        "ports": [{"protocol": "TCP", "port": 6379}],
    }
    assert own in reached
    asked = [to["ipBlock"]["cidr"] for to in reached[0]["to"] if "ipBlock" in to]
    assert asked == ["169.254.20.10/32", "10.96.0.10/32"]
    with pytest.raises(AssertionError, match="must be single or cluster"):
        charted("mode=swarm")


@pytest.mark.parametrize("overlay", ["single", "cluster"])
def test_every_setting_is_one_that_meetcore_has(overlay, tmp_path, caplog):
    data = dict(objects(overlay)["ConfigMap", "meetcore-settings"]["data"])
    _, container = server(overlay)
    [mount] = [m for m in container["volumeMounts"] if m["name"] == "secrets"]
    assert data.pop("MEETCORE_SECRETS_FOLDER") == mount["mountPath"]
    environ = {**data, **secrets_in(tmp_path / "secrets", SECRETS)}
    config, options = read_as_meetcore_does(environ, caplog)
    assert options["server"].max_bots == int(data["MEETCORE_PLUGINS__SERVER__MAX_BOTS"])
    assert options["server"].api_key.reveal() == SECRETS["plugins__server__api_key"]
    assert options["server"].database == SECRETS["plugins__server__database"]
    assert config.store.url == "s3://meetings/bots"
    if overlay == "cluster":
        assert options["s3"].tail_every_s <= 1.0, "what is lost with a Pod"
    assert "env" not in container, "what is secret is in files, and what is not in the ConfigMap"


@pytest.mark.parametrize("overlay", ["single", "cluster"])
def test_arguments_ports_and_paths_are_those_of_the_code(overlay):
    _, container = server(overlay)
    parsed = parse_serve(container["args"])
    assert parsed["host"] == "0.0.0.0"
    [port] = container["ports"]
    assert port["containerPort"] == parsed["port"]
    assert parsed["keep_bots"] is (overlay == "cluster")
    paths = {path for handler in HANDLERS for path in handler.paths}
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    asked = [container[probe]["httpGet"] for probe in probes]
    assert [each["path"] for each in asked] == ["/health", "/health", "/ready"]
    assert {each["port"] for each in asked} == {port["name"]}
    template = objects(overlay)["Deployment", "meetcore-server"]["spec"]["template"]
    notes = template["metadata"]["annotations"]
    assert {notes["prometheus.io/path"], *(each["path"] for each in asked)} <= paths
    assert notes["prometheus.io/port"] == str(parsed["port"])
    [ingress] = objects(overlay)["NetworkPolicy", "meetcore-server"]["spec"]["ingress"]
    assert [each["port"] for each in ingress["ports"]] == [parsed["port"]]
    [outside] = objects(overlay)["Service", "meetcore"]["spec"]["ports"]
    assert outside["targetPort"] == port["name"]


def test_no_container_may_more_than_it_needs():
    found = list(pods())
    assert {name for name, _, _ in found} == {"meetcore-server", "meetcore-room"}
    for name, spec, container in found:
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert "memory" in container["resources"]["limits"], name
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert all(
            set(v) & {"secret", "emptyDir", "persistentVolumeClaim"}
            for v in spec.get("volumes", ())
        )


def mounted(overlay: str) -> dict[str, dict[str, Any]]:
    """Return the volumes of the server's container, by where they are seen."""
    spec, container = server(overlay)
    volumes = {v["name"]: v for v in spec["volumes"]}
    return {m["mountPath"]: volumes[m["name"]] for m in container["volumeMounts"]}


def test_what_chromium_shares_is_in_memory_and_within_the_limit():
    mounts, (_, container) = mounted("single"), server("single")
    places = ("/tmp", "/dev/shm")
    assert [mounts[place]["emptyDir"]["medium"] for place in places] == ["Memory", "Memory"]
    sizes = [mounts[place]["emptyDir"]["sizeLimit"] for place in places]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Gi"))
    asked = int(container["resources"]["requests"]["memory"].removesuffix("Gi"))
    assert asked + sum(int(size.removesuffix("Gi")) for size in sizes) == limit


def test_a_server_without_a_browser_has_room_for_a_recording_that_it_works_on():
    """Not in memory; and nothing of a meeting stays when its pod goes."""
    mounts = mounted("cluster")
    assert mounts["/tmp"]["emptyDir"] == mounts["/var/lib/meetcore"]["emptyDir"]
    assert mounts["/tmp"]["emptyDir"] == {"sizeLimit": "10Gi"}


def asked_of_the_cluster() -> dict[str, set[str]]:
    """Return the verbs that the launcher's own code uses, by what it asks for."""
    text = (ROOT / "plugins/kubernetes/meetcore_kubernetes/cluster.py").read_text("utf-8")
    calls = re.findall(r"self\._client\.(\w+)\(\s*(\w+)", text)
    found: dict[str, set[str]] = {"pods": set(), "secrets": set()}
    for verb, what in calls:
        if what.lower() in ("pod", "secret"):
            found[f"{what.lower()}s"].add(verb)
    if re.search(r'"watch": ', text):
        found["pods"].add("watch")  # which it asks for by itself, to be able to go on
    return found


def test_the_launcher_may_what_it_does_and_nothing_else():
    roles = [each for each in all_objects() if each["kind"] in ("Role", "ClusterRole")]
    [role] = roles
    assert role["kind"] == "Role"
    allowed = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
    assert all(rule["apiGroups"] == [""] for rule in role["rules"])
    assert all(len(rule["resources"]) == 1 for rule in role["rules"])
    assert allowed == asked_of_the_cluster()
    assert not {"get", "list", "watch"} & allowed["secrets"]
    [binding] = [each for each in all_objects() if each["kind"] == "RoleBinding"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [each["name"] for each in binding["subjects"]] == ["meetcore-server"]
    holders = {o: server(o)[0]["automountServiceAccountToken"] for o in ("single", "cluster")}
    assert holders == {"single": False, "cluster": True}


def bots_pod(caplog: pytest.LogCaptureFixture) -> tuple[dict[str, Any], KubernetesOptions]:
    """Return the Pod that the launcher would make with the settings of `cluster`."""
    data = dict(objects("cluster")["ConfigMap", "meetcore-settings"]["data"])
    del data["MEETCORE_SECRETS_FOLDER"]
    config = load_config(None, None, data)
    options = build_options(KubernetesOptions, config.plugins["kubernetes"], "kubernetes")
    spec = BotSpec(bot_id="b-1", url="https://meet.google.com/abc-defg-hij", platform="meet")
    return pod_manifest(spec, config, options), options


def test_the_pod_of_a_bot_is_what_policies_and_images_are_made_for(caplog):
    pod, options = bots_pod(caplog)
    labels = pod["metadata"]["labels"]
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        policy = objects("cluster")[kind, "meetcore-bots"]["spec"]
        selector = policy.get("podSelector") or policy["selector"]
        assert selector["matchLabels"].items() <= labels.items()
    own = objects("cluster")["Deployment", "meetcore-server"]["spec"]["selector"]["matchLabels"]
    assert not own.items() <= labels.items(), "a bot is no server"
    assert labels["meetcore.io/bot"] == "b-1"
    account = pod["spec"]["serviceAccountName"]
    assert objects("cluster")["ServiceAccount", account]["automountServiceAccountToken"] is False
    read = parse((ROOT / "deploy/Containerfile").read_text("utf-8"))
    uid = int(read.configuration("bot")["USER"].rest.partition(":")[0])
    assert pod["spec"]["securityContext"]["runAsUser"] == uid
    assert options.image == f"meetcore-bot:{meetcore.__version__}"
    for version in VERSIONS:
        kubernetes_validate.validate(pod, version, strict=True)


def test_a_place_that_is_kept_free_is_as_large_as_a_bot(caplog):
    pod, _ = bots_pod(caplog)
    [bot] = pod["spec"]["containers"]
    spec = objects("room")["Deployment", "meetcore-room"]["spec"]["template"]["spec"]
    kept = spec["containers"][0]["resources"]["requests"]
    assert kept == {name: bot["resources"]["requests"][name] for name in ("cpu", "memory")}


def test_what_depends_on_the_launcher_is_in_its_own_files():
    folder = ROOT / "deploy" / "kubernetes"
    for path in [*folder.rglob("*.yaml"), *(ROOT / "deploy/helm/templates").glob("*")]:
        if path.name.startswith("launcher") or path.name in ("kustomization.yaml", "settings.yaml"):
            continue
        text = path.read_text("utf-8")
        assert "meetcore-launcher" not in text, path
        assert not re.search(r"component: bot\b", text), path


def test_a_bot_cannot_reach_the_networks_inside_nor_be_reached():
    policy = objects("cluster")["NetworkPolicy", "meetcore-bots"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["ingress"] == []
    dns, blocks = [r for r in policy["egress"] if any("ipBlock" in to for to in r["to"])]
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in dns["to"], "where a node answers names"
    assert {each["port"] for each in dns["ports"]} == {53}
    [cidr] = [to["ipBlock"]["cidr"] for to in dns["to"] if "ipBlock" in to]
    assert cidr.endswith("/32")
    [v4] = [to["ipBlock"] for to in blocks["to"] if "." in to["ipBlock"]["cidr"]]
    inside = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"}
    assert inside <= set(v4["except"])
    assert {"protocol": "TCP", "port": 1935} in blocks["ports"], "what `rtmp` sends to"
    labels = {"app.kubernetes.io/name": "meetcore", "app.kubernetes.io/component": "bot"}
    assert policy["podSelector"]["matchLabels"] == labels
    budget = objects("cluster")["PodDisruptionBudget", "meetcore-bots"]["spec"]
    assert budget["selector"]["matchLabels"] == labels
    assert "maxUnavailable" not in budget, "nothing for pods that no controller has"


@pytest.mark.parametrize("overlay", ["single", "cluster"])
def test_selectors_find_what_they_are_meant_for(overlay):
    found = objects(overlay)
    deployment = found["Deployment", "meetcore-server"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        deployment["selector"]["matchLabels"],
        found["Service", "meetcore"]["spec"]["selector"],
        found["PodDisruptionBudget", "meetcore-server"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy", "meetcore-server"]["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels.items()
    account = deployment["template"]["spec"]["serviceAccountName"]
    assert ("ServiceAccount", account) in found


def test_who_is_scaled_is_there():
    target = objects("cluster")["HorizontalPodAutoscaler", "meetcore-server"]["spec"]
    assert ("Deployment", target["scaleTargetRef"]["name"]) in objects("cluster")
    scaled = objects("room")["ScaledObject", "meetcore-room"]
    assert ("Deployment", scaled["spec"]["scaleTargetRef"]["name"]) in objects("room")
    priority = objects("room")["PriorityClass", "meetcore-room"]
    assert priority["value"] < 0
    assert priority["preemptionPolicy"] == "Never"
