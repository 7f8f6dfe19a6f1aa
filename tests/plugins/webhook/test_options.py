"""The options, and what may be shown of them."""

from __future__ import annotations

import pytest

from meetcore.model.config import build_options
from meetcore.model.errors import ConfigError
from meetcore.model.events import DeliveryAttempted, SegmentFinalized, StateChanged
from meetcore.model.lifecycle import State
from meetcore.model.secrets import Secret
from meetcore_webhook.options import WebhookOptions

URL = "https://hooks.example.org:8443/services/T0/K3yK3yK3yK3y?token=s3cret"


def test_only_scheme_host_and_port_of_the_target_are_shown() -> None:
    options = WebhookOptions(url=URL, secret=Secret("whsec_c2VjcmV0c2VjcmV0"))
    assert options.target == "https://hooks.example.org:8443"
    for hidden in ("K3y", "s3cret", "c2VjcmV0"):
        assert hidden not in repr(options)


def test_options_are_read_from_plain_settings() -> None:
    settings = {"url": URL, "secret": "whsec_b25l", "secrets": ["dHdv"], "events": ["segment.*"]}
    options = build_options(WebhookOptions, settings, "[plugins.webhook]")
    assert [secret.reveal() for secret in options.all_secrets] == ["whsec_b25l", "dHdv"]
    assert options.events == ("segment.*",)


def test_the_filter_takes_types_and_patterns_and_never_delivery_attempts() -> None:
    attempt = DeliveryAttempted(sink="w", target="t", event_seq=1, attempt=1, ok=True)
    state = StateChanged(state=State.JOINING)
    assert WebhookOptions(url=URL).wants(state)
    assert not WebhookOptions(url=URL).wants(attempt)
    assert not WebhookOptions(url=URL, events=("delivery.*",)).wants(attempt)
    assert WebhookOptions(url=URL, events=("state.*",)).wants(state)
    assert not WebhookOptions(url=URL, events=(SegmentFinalized.type,)).wants(state)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "has no url"),
        ({"url": "ftp://example.org"}, "not an http or https address"),
        ({"url": "https://user:pa55@example.org/"}, "holds a name or password"),
        ({"url": "https://example.org:port/"}, "cannot be read"),
        ({"url": URL, "secret": "!"}, "a secret is not base64"),
        ({"url": URL, "events": ["segment.finalised"]}, "segment.finalised"),
        ({"url": URL, "max_attempts": 0}, "max_attempts is 0"),
        ({"url": URL, "flush_timeout_s": 600}, "flush_timeout_s is 600"),
    ],
)
def test_what_cannot_work_is_refused_without_showing_a_secret(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        build_options(WebhookOptions, settings, "[plugins.webhook]")
    assert "s3cret" not in str(caught.value)
    assert "pa55" not in str(caught.value)


def test_a_misspelt_event_type_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'segment\.finalized'"):
        WebhookOptions(url=URL, events=("segment.finalised",))
