"""The files that describe the system agree with one another, and with what the Dapr CLI and daprd would read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.contracts.events import Topic
from services.local import topology
from services.local.topology import ROOT, RUN_FILE, App, RunFile
from services.order import subscriptions as order
from services.order.operations import checkout
from services.product import subscriptions as product
from services.shared import service
from services.shared.pubsub import EventDoor
from tests.architecture.test_modules import doors

APPS = topology.load()
NAMES = [app.app_id for app in APPS]
SUBSCRIBERS = [name for name in NAMES if name != "gateway"]

# The keys that the Dapr CLI reads for an app (`pkg/runfileconfig` and `pkg/standalone/run.go` of dapr/cli 1.16).
SHARED_KEYS = {
    *("configFilePath", "appProtocol", "apiListenAddresses", "enableProfiling", "logLevel", "appMaxConcurrency"),
    *("placementHostAddress", "schedulerHostAddress", "resourcesPath", "resourcesPaths", "appSSL", "maxBodySize"),
    *("readBufferSize", "enableAppHealthCheck", "appHealthCheckPath", "appHealthProbeInterval"),
    *("appHealthProbeTimeout", "appHealthThreshold", "enableApiLogging", "runtimePath", "env"),
    *("daprdLogDestination", "appLogDestination"),
}
APP_KEYS = SHARED_KEYS | {
    *("appID", "appChannelAddress", "appPort", "daprHTTPPort", "daprGRPCPort", "profilePort", "command"),
    *("metricsPort", "unixDomainSocket", "daprInternalGRPCPort", "appDirPath"),
}


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def spec_of(app: str) -> dict[str, Any]:
    spec: dict[str, Any] = parsed(ROOT / "dapr" / "config" / f"{app}.yaml")["spec"]
    return spec


def policies_of(app: str) -> list[dict[str, Any]]:
    control = parsed(ROOT / "dapr" / "config" / "access" / f"{app}.yaml")["spec"]["accessControl"]
    assert control["defaultAction"] == "deny"
    policies: list[dict[str, Any]] = control.get("policies", [])
    return policies


def component(name: str) -> dict[str, str]:
    entries = parsed(ROOT / "components" / "embedded" / f"{name}.yaml")["spec"]["metadata"]
    return {entry["name"]: entry.get("value", "") for entry in entries}


def scoped(value: str) -> dict[str, set[str]]:
    pairs = (part.split("=") for part in value.replace(" ", "").split(";"))
    return {app: set(filter(None, topics.split(","))) for app, topics in pairs}


def test_the_dapr_cli_knows_every_key_of_the_run_file() -> None:
    raw = parsed(RUN_FILE)

    assert set(raw) <= {"version", "common", "apps", "name"}
    assert raw["version"] == 1
    assert set(raw["common"]) <= SHARED_KEYS
    assert all(set(app) <= APP_KEYS for app in raw["apps"])


def test_the_dapr_cli_finds_every_path_of_the_run_file() -> None:
    run_file = RunFile.model_validate(parsed(RUN_FILE))

    for path in run_file.common.resources_paths or ():
        assert (RUN_FILE.parent / path).is_dir()
    for app in run_file.apps:
        assert (RUN_FILE.parent / app.app_dir_path).resolve() == ROOT
        assert (RUN_FILE.parent / str(app.config_file_path)).is_file()


def test_every_app_of_the_run_file_is_a_service_that_exists() -> None:
    assert {"python -m " + f"services.{app.app_id}.app" for app in APPS} == {" ".join(app.command) for app in APPS}
    assert all((ROOT / "services" / name / "app.py").exists() for name in NAMES)


def test_the_tye_file_describes_the_same_topology() -> None:
    described = {
        (entry["name"], entry["args"], binding["protocol"], binding["port"])
        for entry in parsed(ROOT / "tye.yaml")["services"]
        for binding in entry["bindings"]
    }

    assert described == {
        (app.app_id, " ".join(app.command[1:]), app.app_protocol or "http", app.app_port) for app in APPS
    }


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.app_id)
def test_ports_follow_the_scheme(app: App) -> None:
    number = NAMES.index(app.app_id)

    assert app.app_port == (8100 + number if number else 8080)
    assert app.sidecar_ports == (8200 + number, 8300 + number, 8400 + number, 8500 + number)


@pytest.mark.parametrize("name", NAMES)
def test_an_app_reads_its_own_secrets_and_no_others(name: str) -> None:
    (scope,) = spec_of(name)["secrets"]["scopes"]

    own = {"gateway": {"redis-url"}}.get(name, {f"{name}-database-url"})
    own |= {
        "user": {"jwt-private-key", "operator-password"},
        "payment": {"stripe-api-key", "stripe-webhook-secret"},
    }.get(name, set())
    assert scope["defaultAccess"] == "deny"
    assert set(scope["allowedSecrets"]) == own


@pytest.mark.parametrize("name", NAMES)
def test_an_app_names_every_caller_verb_and_path(name: str) -> None:
    for policy in policies_of(name):
        assert policy["appId"] in NAMES
        assert policy["defaultAction"] == "deny"
        assert (policy["trustDomain"], policy["namespace"]) == ("public", "default")
        for operation in policy["operations"]:
            assert operation["name"].startswith("/")
            assert all(verb == verb.upper() for verb in operation.get("httpVerb", ()))
            assert "httpVerb" in operation or name == "inventory"


@pytest.mark.parametrize("name", [app.app_id for app in APPS if app.app_protocol != "grpc"])
def test_the_gateway_never_reaches_an_internal_path(name: str) -> None:
    operations = [
        (operation["name"], operation["action"])
        for policy in policies_of(name)
        if policy["appId"] == "gateway"
        for operation in policy["operations"]
    ]

    denied = [(path, "deny") for path in ("/internal/**", "/events/**", "/dead-letters", "/dapr/**")]
    assert operations in ([], [*denied, ("/**", "allow")])


def wildcards_inside(name: str) -> Iterator[str]:
    for policy in policies_of(name):
        for operation in policy["operations"]:
            yield from operation["name"].split("/")[1:-1]


@pytest.mark.parametrize("name", NAMES)
def test_no_path_has_a_bare_wildcard_inside_because_dapr_never_matches_one(name: str) -> None:
    assert "*" not in set(wildcards_inside(name))


def test_one_app_publishes_each_topic_and_every_app_its_own_dead_letters() -> None:
    publishing = scoped(component("events")["publishingScopes"])

    assert set(publishing) == set(SUBSCRIBERS)
    facts = [topic for app, topics in publishing.items() for topic in topics - {f"dead-letters.{app}"}]
    assert sorted(facts) == sorted(Topic)
    assert all(f"dead-letters.{app}" in topics for app, topics in publishing.items())


def test_an_app_subscribes_only_to_topics_that_exist_and_reads_only_its_own_dead_letters() -> None:
    subscribing = scoped(component("events")["subscriptionScopes"])
    dead = scoped(component("dead-letters")["subscriptionScopes"])

    assert set(subscribing) == set(dead) == set(SUBSCRIBERS)
    assert set().union(*subscribing.values()) <= set(Topic)
    assert dead == {app: {f"dead-letters.{app}"} for app in SUBSCRIBERS}
    assert not set().union(*scoped(component("dead-letters")["publishingScopes"]).values())


def test_a_topic_names_the_app_that_publishes_it() -> None:
    publishing = scoped(component("events")["publishingScopes"])

    assert all(topic in publishing[topic.producer] for topic in Topic)


@pytest.mark.parametrize("door", doors().items(), ids=lambda door: door[0])
def test_whoever_hears_a_topic_may_ask_its_producer_what_got_lost(door: tuple[str, EventDoor]) -> None:
    consumer, events = door
    producers = {topic.producer for topic in events.topics} - {consumer}

    asked = {
        (producer, operation["name"])
        for producer in producers
        for policy in policies_of(producer)
        if policy["appId"] == consumer
        for operation in policy["operations"]
        if operation["action"] == "allow"
    }

    assert asked >= {
        (producer, path) for producer in producers for path in ("/internal/facts", "/internal/facts/again")
    }


@pytest.mark.parametrize("name", ["events", "dead-letters"])
def test_every_topic_is_protected_and_no_stream_is_trimmed_by_length(name: str) -> None:
    values = component(name)

    protected = set(values["protectedTopics"].replace(" ", "").split(","))
    letters = {f"dead-letters.{app}" for app in SUBSCRIBERS}
    assert protected == (letters | set(Topic) if name == "events" else letters)
    assert "maxLenApprox" not in values


@pytest.mark.parametrize("path", sorted((ROOT / "components" / "embedded").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_component_names_its_apps_and_carries_no_secret(path: Path) -> None:
    written = parsed(path)

    assert written["metadata"]["name"] == path.stem
    assert set(written["scopes"]) <= set(NAMES)
    secret = [entry for entry in written["spec"]["metadata"] if "assword" in entry["name"]]
    assert all("secretKeyRef" in entry for entry in secret)


def test_calls_between_apps_have_time_outs_only_and_every_delivery_a_retry() -> None:
    spec = parsed(ROOT / "components" / "resiliency.yaml")["spec"]
    targets: Mapping[str, Mapping[str, Any]] = spec["targets"]

    assert set(targets["apps"]) == set(SUBSCRIBERS)
    assert all(set(policy) == {"timeout"} for policy in targets["apps"].values())
    limit = spec["policies"]["timeouts"][targets["apps"]["order"]["timeout"]]
    assert float(limit.removesuffix("s")) > checkout.SECONDS
    retries = spec["policies"]["retries"]
    assert retries[targets["components"]["events"]["inbound"]["retry"]]["maxRetries"] > 0
    assert retries[targets["components"]["dead-letters"]["inbound"]["retry"]]["maxRetries"] == -1


def test_a_delivery_is_retried_until_its_letter_is_not_acknowledged_without_being_handled_or_parked() -> None:
    entries = parsed(ROOT / "components" / "embedded" / "events.yaml")["spec"]["metadata"]
    (processing,) = [str(entry["value"]) for entry in entries if entry["name"] == "processingTimeout"]
    delivery = parsed(ROOT / "components" / "resiliency.yaml")["spec"]["policies"]["retries"]["delivery"]

    assert delivery["policy"] == "constant"
    assert delivery["maxRetries"] * int(delivery["duration"].removesuffix("s")) > int(processing.removesuffix("s"))


def test_a_bulk_delivery_can_fill_with_what_the_broker_hands_out_at_once() -> None:
    entries = parsed(ROOT / "components" / "embedded" / "events.yaml")["spec"]["metadata"]
    (workers,) = [int(entry["value"]) for entry in entries if entry["name"] == "concurrency"]
    found = service.subscriptions("product", product.door) + service.subscriptions("order", order.door)

    sizes = {one["topic"]: one["bulkSubscribe"]["maxMessagesCount"] for one in found if "bulkSubscribe" in one}

    assert set(sizes) == {Topic.ORDERS, Topic.STOCK, Topic.NOTIFICATIONS}
    assert max(sizes.values()) <= workers


def test_no_sidecar_gives_an_app_up_that_stood_still() -> None:
    """It would stop the app's subscriptions, and with bulk delivery its workers never come back from those."""
    deployments = (ROOT / "charts" / "sidecart" / "templates" / "deployments.yaml").read_text()

    assert not any(app.enable_app_health_check for app in APPS)
    assert 'dapr.io/enable-app-health-check: "false"' in deployments
