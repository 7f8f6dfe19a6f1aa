"""What a provider's refusals mean: HTTP statuses and WebSocket closes as `TranscriberError`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from attrs import field, frozen

from meetcore import Redactor, TranscriberError

__all__ = ["ProviderFaults", "retry_after_s", "words_of"]

RATE_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
_LONGEST_WORDS = 300
_KEYS = ("err_msg", "message", "details", "error", "reason", "detail")


def retry_after_s(value: str | None) -> float | None:
    """Return what a `Retry-After` header asks for, in seconds; None where it says nothing.

    Seconds or a date (RFC 9110, section 10.2.3); at most five minutes.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        seconds = (at - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE_S) if seconds == seconds else None


def words_of(body: bytes | str | None) -> str:
    """Return what an answer says in words: of JSON its message, of other text its beginning."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if isinstance(told, Mapping):
        parts = [told[key] for key in _KEYS if isinstance(told.get(key), str) and told[key]]
        text = ": ".join(parts[:2])
    elif text.lstrip().startswith("<"):
        text = ""
    return " ".join(text.split())[:_LONGEST_WORDS]


@frozen(kw_only=True)
class ProviderFaults:
    """Sorts a provider's trouble by what the core does about it.

    Subclass it for a provider whose closes have codes of their own: `of_close`.

    Attributes:
        provider: Its name, for people.
        key_variable: The environment variable of its key.
        redactor: Takes the key out of what the provider says.
    """

    provider: str
    key_variable: str
    redactor: Redactor = field(factory=Redactor)

    def trouble(
        self,
        kind: str,
        words: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        remedy: str = "",
    ) -> TranscriberError:
        """Return trouble of a kind, in the provider's words with every secret taken out."""
        return TranscriberError(
            kind,
            self.redactor.redact(f"{self.provider}: {words}"),
            retryable=retryable,
            retry_after_s=retry_after_s,
            remedy=remedy,
        )

    @property
    def key_remedy(self) -> str:
        """What a person does about a key that is missing or not taken."""
        return f"Set a valid key: the variable {self.key_variable}, or the option key."

    def refused_key(self, words: str) -> TranscriberError:
        """Return the trouble of a key that is not taken."""
        return self.trouble("auth", words, retryable=False, remedy=self.key_remedy)

    def no_credit(self, words: str) -> TranscriberError:
        """Return the trouble of an account that is used up."""
        remedy = f"Look at the account's balance and limits at {self.provider}."
        return self.trouble("quota", words, retryable=False, remedy=remedy)

    def unreachable(self, error: BaseException) -> TranscriberError:
        """Return the trouble of a connection that could not be made, or broke."""
        words = f"the connection failed ({type(error).__name__}: {error})"[:_LONGEST_WORDS]
        return self.trouble("network", words, retryable=True)

    def of_status(
        self, status: int, headers: Mapping[str, str], body: bytes | str | None
    ) -> TranscriberError:
        """Return the trouble that an HTTP answer means.

        Args:
            status: Its status, 300 or more.
            headers: Its headers, by name in small letters.
            body: What it says.
        """
        said = words_of(body) or words_of(headers.get("dg-error"))
        words = f"HTTP {status}" + (f", {said}" if said else "")
        if status in (401, 403):
            return self.refused_key(f"the key is not taken ({words})")
        if status == 402:
            return self.no_credit(f"what was paid for is used up ({words})")
        if status == 429:
            pause_s = retry_after_s(headers.get("retry-after"))
            return self.trouble(
                "rate",
                f"too much at once ({words})",
                retryable=True,
                retry_after_s=RATE_PAUSE_S if pause_s is None else pause_s,
            )
        if status >= 500 or status == 408:
            pause_s = retry_after_s(headers.get("retry-after"))
            return self.trouble("server", words, retryable=True, retry_after_s=pause_s)
        remedy = "Look at the options of the plugin; the answer says which it does not like."
        return self.trouble("bad_request", words, retryable=False, remedy=remedy)

    def of_close(self, code: int, reason: str) -> TranscriberError:
        """Return the trouble that a close nobody here asked for means.

        Args:
            code: The WebSocket's close code, 1006 where there was none.
            reason: What was said with it.
        """
        said = f"it closed the connection ({code}{f', {reason}' if reason else ''})"
        kind = "server" if code in (1011, 1012, 1013) else "network"
        return self.trouble(kind, said, retryable=True)
