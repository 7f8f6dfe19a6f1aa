"""The webhooks of both eras. Each user has one URL, which is looked up whenever something is sent.

E1 and E2 post a flat `meeting.status_change` and, at the end, the bare meeting: one attempt each.
E3 and E4 post envelopes with an id that repeats on every attempt, signed with the user's secret.
Every bot has both formats as its targets; the one that is not the user's says nothing.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from attrs import evolve, frozen

from meetcore import IN_CALL, State, StateChanged, to_json
from meetcore.gateway import Moment, Outgoing, Service, WebhookFormat, WebhookTarget, hmac_sha256
from meetcore_vexa.bot_object import meeting_body
from meetcore_vexa.routes_recordings import recording_body
from meetcore_vexa.statuses import StatusStep, standing_of, steps_of
from meetcore_vexa.variants import DEFAULT, Variant, naive, zulu

__all__ = ["TARGETS", "EnvelopeWebhooks", "FlatWebhooks", "HookSettings", "signed"]

API_VERSION = "2026-03-01"
_BEARER = "Bearer "
_ALSO_CALLED = {"recording.ready": "recording.completed"}
"""What the vendor's documentation calls an event."""


@frozen(kw_only=True)
class HookSettings:
    """What a user said about webhooks, as it stands now.

    Attributes:
        events: What is wanted; None for everything.
    """

    url: str | None
    secret: str | None
    variant: Variant
    events: Mapping[str, bool] | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], default: Variant = DEFAULT) -> HookSettings:
        """Read a user's settings.

        The era is the one of the URL's own `?dialect=`, else the user's, else the server's; with a
        secret or a choice of events at least E3, because before there was neither.
        """
        chosen = settings.get("webhook_dialect") or settings.get("dialect")
        secret, events = settings.get("webhook_secret") or None, settings.get("webhook_events")
        variant = Variant.named(chosen) or default
        if (secret or events) and not variant.bundles:
            variant = Variant.E3
        return cls(
            url=settings.get("webhook_url") or None,
            secret=secret,
            variant=variant,
            events=events if isinstance(events, dict) else None,
        )

    def wants(self, kind: str) -> bool:
        """Whether events of a type are to be sent."""
        if self.events is None:
            return True
        names = (kind, _ALSO_CALLED.get(kind, kind))
        return any(self.events.get(name) is True for name in names)


def signed(secret: str, timestamp: str, body: bytes) -> str:
    """Return the value of `X-Webhook-Signature`."""
    return hmac_sha256(secret, timestamp.encode(), b".", body)


class _UserWebhooks(WebhookFormat):
    def __init__(self, service: Service, default: Variant = DEFAULT) -> None:
        self._service = service
        self._default = default

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return what the user's own URL is told about an event."""
        event = moment.event
        if not isinstance(event, StateChanged):
            return ()
        settings = await self._service.settings(moment.row.user_id, "vexa")
        hooks = HookSettings.of(settings, self._default)
        if hooks.url is None or not self._is_for(hooks.variant):
            return ()
        step = self._step(moment, hooks.variant)
        return [] if step is None else self._told(moment, step, hooks)

    @staticmethod
    def _step(moment: Moment, variant: Variant) -> StatusStep | None:
        """Return the change of status this event is, None for the first and for none."""
        steps = steps_of(moment.history.transitions, variant)
        now = steps[-1] if steps else None
        if now is None or now.before is None or now.transition.seq != moment.event.seq:
            return None
        return now

    @abstractmethod
    def _is_for(self, variant: Variant) -> bool:
        """Whether users of an era are told in this format."""

    @abstractmethod
    def _told(self, moment: Moment, step: StatusStep, hooks: HookSettings) -> Sequence[Outgoing]:
        """Return what is told of a change of status."""


def _meeting(moment: Moment, variant: Variant, *, zoned: bool) -> dict[str, Any]:
    history = moment.history
    return meeting_body(
        moment.row,
        standing_of(history),
        variant,
        transitions=history.transitions,
        zoned=zoned,
        ended_at=history.ended_at,
        updated_at=moment.event.at,
    )


def _change(moment: Moment, step: StatusStep, variant: Variant, *, zoned: bool) -> dict[str, Any]:
    standing, at = step.standing, moment.event.at
    reason = standing.completion_reason(variant) or standing.error(variant)
    return {
        "from": step.before,
        "to": step.after,
        "reason": reason,
        "timestamp": zulu(at) if zoned else naive(at),
        "transition_source": "bot_callback",
    }


class FlatWebhooks(_UserWebhooks):
    """E1 and E2: no envelope, no signature, no second attempt."""

    name: ClassVar[str] = "vexa-flat"
    pauses_s: ClassVar[tuple[float, ...]] = ()
    timeout_s: ClassVar[float] = 30.0

    def _is_for(self, variant: Variant) -> bool:
        return not variant.bundles

    def _told(self, moment: Moment, step: StatusStep, hooks: HookSettings) -> Sequence[Outgoing]:
        meeting = _meeting(moment, hooks.variant, zoned=False)
        change = {
            "event_type": "meeting.status_change",
            "meeting": meeting,
            "status_change": _change(moment, step, hooks.variant, zoned=False),
        }
        told = [
            Outgoing(kind="meeting.status_change", body=to_json(change).encode(), url=hooks.url)
        ]
        if moment.history.ended:
            told.append(Outgoing(kind="meeting", body=to_json(meeting).encode(), url=hooks.url))
        return told


class EnvelopeWebhooks(_UserWebhooks):
    """E3 and E4: envelopes, at least once, signed."""

    name: ClassVar[str] = "vexa-envelope"
    pauses_s: ClassVar[tuple[float, ...]] = (60.0, 300.0, 1800.0, 7200.0)
    timeout_s: ClassVar[float] = 30.0

    def _is_for(self, variant: Variant) -> bool:
        return variant.bundles

    def _told(self, moment: Moment, step: StatusStep, hooks: HookSettings) -> Sequence[Outgoing]:
        meeting = _meeting(moment, hooks.variant, zoned=True)
        change = _change(moment, step, hooks.variant, zoned=True)
        both = {"meeting": meeting, "status_change": change}
        facts: dict[str, dict[str, Any]] = {"meeting.status_change": both}
        if step.transition.state in IN_CALL and not _was_active(moment, step):
            facts["meeting.started"] = {"meeting": meeting}
        if step.after == "completed":
            facts["meeting.completed"] = {"meeting": meeting}
        if step.after == "failed":
            facts["bot.failed"] = both
        if moment.history.ended:
            facts |= self._results(moment, meeting)
        return [self._sealed(moment, hooks, k, data) for k, data in facts.items() if hooks.wants(k)]

    @staticmethod
    def _results(moment: Moment, meeting: dict[str, Any]) -> dict[str, dict[str, Any]]:
        results: dict[str, dict[str, Any]] = {}
        recording = recording_body(moment.row, moment.history)
        if recording is not None:
            results["recording.ready"] = {"meeting": meeting, "recording": recording}
        if moment.history.segments:
            results["transcription.ready"] = {"meeting": meeting}
        return results

    def _sealed(
        self, moment: Moment, hooks: HookSettings, kind: str, data: dict[str, Any]
    ) -> Outgoing:
        event = moment.event
        name = f"{moment.row.bot_id}:{event.seq}:{kind}"
        event_id = f"evt_{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        envelope = {
            "event_id": event_id,
            "event_type": kind,
            "api_version": API_VERSION,
            "created_at": zulu(event.at),
            "data": data,
        }
        body = to_json(envelope).encode()
        headers = {"Authorization": f"{_BEARER}{hooks.secret}"} if hooks.secret else {}
        return Outgoing(kind=kind, body=body, headers=headers, url=hooks.url, id=event_id)

    def signed(self, target: WebhookTarget, outgoing: Outgoing) -> Outgoing:
        """Return a message with its signature as of now; without a secret as it is."""
        del target
        secret = outgoing.headers.get("Authorization", "").removeprefix(_BEARER)
        if not secret:
            return outgoing
        timestamp = str(int(self._service.now().timestamp()))
        signature = {
            "X-Webhook-Timestamp": timestamp,
            "X-Webhook-Signature": signed(secret, timestamp, outgoing.body),
        }
        return evolve(outgoing, headers={**outgoing.headers, **signature})


def _was_active(moment: Moment, step: StatusStep) -> bool:
    earlier = [
        transition
        for transition in moment.history.transitions
        if transition.seq < step.transition.seq
    ]
    return any(
        transition.state is State.IN_CALL or transition.state in IN_CALL for transition in earlier
    )


TARGETS = (FlatWebhooks.name, EnvelopeWebhooks.name)
"""What every bot has as its webhook targets."""
