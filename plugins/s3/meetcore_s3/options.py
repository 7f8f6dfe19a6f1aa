"""The plugin's options, `[plugins.s3]`, and the URL of a bucket."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from meetcore import ConfigError, Secret

__all__ = ["LEAST_PART_BYTES", "BucketPlace", "S3Access", "S3Options"]

LEAST_PART_BYTES = 5 * 1024 * 1024
"""S3 takes no smaller part, but for the last one of a file."""

_MOST_PART_BYTES = 512 * 1024 * 1024
_MOST_PRESIGN_S = 7 * 24 * 3600
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


@frozen
class BucketPlace:
    """A bucket, and where in it.

    Attributes:
        bucket: Its name.
        prefix: What the keys of all objects begin with: empty, or a path that ends in a slash.
    """

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".removesuffix("/")

    @classmethod
    def of_url(cls, url: str) -> BucketPlace:
        """Return what `s3://bucket/prefix` means.

        Raises:
            ConfigError: It means no bucket.
        """
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ConfigError(
                "There are keys in the URL of the store.",
                "Set access_key_id and secret_access_key in [plugins.s3]; the URL is shown.",
            )
        name, prefix = parts.netloc, unquote(parts.path).strip("/")
        wrong = (
            parts.query
            or parts.fragment
            or any(part in ("", ".", "..") for part in prefix.split("/") if prefix)
        )
        if parts.scheme != "s3" or not _BUCKET.fullmatch(name) or wrong:
            raise ConfigError(
                f"{url!r} is not the URL of a bucket.",
                "Write s3://BUCKET or s3://BUCKET/PREFIX; an endpoint is set in [plugins.s3].",
            )
        return cls(name, f"{prefix}/" if prefix else "")


def _between(least: float, most: float) -> Any:
    def check(instance: object, attribute: Any, value: float) -> None:
        if not least <= value <= most:
            raise ConfigError(f"{attribute.name} must be {least:g} to {most:g}, not {value!r}.")

    return check


def _http(instance: object, attribute: Any, value: str | None) -> None:
    if value is None:
        return
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigError(
            f"{attribute.name} in [plugins.s3] is no URL of a server without a user in it.",
            "Write for instance https://s3.example.org.",
        )


@frozen(kw_only=True)
class S3Access:
    """Where a bucket is, and who asks.

    Attributes:
        endpoint: URL of the server; None for Amazon's.
        region: The bucket's region; None for what AWS's variables or files say, else `us-east-1`.
        access_key_id: Half of the key; None for the chain that AWS's own programs use: variables,
            files, a role of the container or the instance.
        secret_access_key: The other half.
        session_token: Goes with keys that expire.
        profile: Which profile of AWS's files, where no keys are set.
        path_style: Whether the bucket stands in the path of a URL and not in its host. None: in the
            path where there is an `endpoint`.
        encryption: What the server encrypts with: `AES256` (its own key, SSE-S3), `aws:kms`
            (SSE-KMS), or None for what the bucket is set to.
        kms_key_id: The key of `aws:kms`; None for the account's own.
    """

    endpoint: str | None = field(default=None, validator=_http)
    region: str | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    profile: str | None = None
    path_style: bool | None = None
    encryption: Literal["AES256", "aws:kms"] | None = None
    kms_key_id: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what does not go together.

        Raises:
            ConfigError: Half a key, or a KMS key that is not used.
        """
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ConfigError(
                "[plugins.s3] has one half of a key.",
                "Set both access_key_id and secret_access_key, or neither.",
            )
        if self.session_token is not None and self.access_key_id is None:
            raise ConfigError(
                "session_token in [plugins.s3] goes with keys, and there are none.",
                "Set access_key_id and secret_access_key, too.",
            )
        if self.kms_key_id is not None and self.encryption != "aws:kms":
            raise ConfigError(
                "kms_key_id in [plugins.s3] is used by nothing.", 'Set encryption = "aws:kms".'
            )


@frozen(kw_only=True)
class SecondBucket(S3Access):
    """A bucket that has a copy of every file.

    Attributes:
        url: The bucket; None for none.
    """

    url: str | None = None


@frozen(kw_only=True)
class S3Options(S3Access):
    """How bots are kept in a bucket.

    Attributes:
        public_endpoint: URL under which clients reach the server, for links; None for `endpoint`.
        second: Another bucket, which gets a copy of every file.
        part_bytes: So large are the parts in which a file is uploaded, 5 MiB to 512 MiB. A
            recording that grows is uploaded whenever there is another one.
        tail_every_s: How often what a recording has beyond its last part is kept as well. 0 for
            never.
        presign_s: How long a link to a file lasts at most; a week at most.
        request_s: How long a request may take, with what is tried again in it.
        part_s: The same for a request with a part or a whole file.
        connect_s: How long it may take to connect.
        connections: How many requests at once, for files and for logs each.
        workplaces: The folder in which bots work on this machine.
    """

    public_endpoint: str | None = field(default=None, validator=_http)
    second: SecondBucket = field(factory=SecondBucket)
    part_bytes: int = field(
        default=8 * 1024 * 1024, validator=_between(LEAST_PART_BYTES, _MOST_PART_BYTES)
    )
    tail_every_s: float = field(default=30.0, validator=_between(0, 3600))
    presign_s: float = field(default=3600.0, validator=_between(1, _MOST_PRESIGN_S))
    request_s: float = field(default=20.0, validator=_between(0.1, 600))
    part_s: float = field(default=300.0, validator=_between(0.1, 7200))
    connect_s: float = field(default=5.0, validator=_between(0.1, 60))
    connections: int = field(default=4, validator=_between(1, 64))
    workplaces: Path = Path("meetings")
