"""What S3 and the way to it can answer, in plain words with a remedy. Pure.

The codes are those of the API reference of Amazon S3 ("Error Responses"), which other servers use
too. Nothing of a request is shown: it has a signature, and a header with a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from meetcore import ConfigError, Redactor, StorageUnavailable

__all__ = ["BucketTrouble", "as_config_error", "server_time", "trouble_of", "words_of_code"]

_PERMISSIONS = (
    "Allow s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload, ListMultipartUploadParts "
    "on its objects and s3:ListBucket, ListBucketMultipartUploads on the bucket (with versions "
    "also DeleteObjectVersion, ListBucketVersions; with a KMS key kms:GenerateDataKey, Decrypt)."
)
_KEYS = "Set access_key_id and secret_access_key in [plugins.s3], or what AWS's programs use."
_LONGEST_SAID = 300

# The code, what it means, the remedy, and whether nothing but another setting helps.
_CODES: dict[str, tuple[str, str, bool]] = {}


def _means(codes: str, words: str, remedy: str = "", *, lasting: bool = False) -> None:
    for code in codes.split():
        _CODES[code] = (words, remedy, lasting)


_means(
    "AccessDenied AllAccessDisabled 403 Forbidden AccountProblem",
    "access is denied",
    _PERMISSIONS,
    lasting=True,
)
_means(
    "InvalidAccessKeyId SignatureDoesNotMatch InvalidToken UnrecognizedClientException",
    "the keys are not accepted",
    _KEYS,
    lasting=True,
)
_means(
    "ExpiredToken ExpiredTokenException TokenRefreshRequired",
    "the session token has expired",
    "Give a new one, or keys that are renewed by themselves (an instance's role, say).",
)
_means(
    "NoSuchBucket",
    "there is no such bucket",
    "Create it, or correct its name in the URL.",
    lasting=True,
)
_means("InvalidBucketName", "the bucket's name cannot be one", "Correct the URL.", lasting=True)
_means(
    "PermanentRedirect TemporaryRedirect 301 307 AuthorizationHeaderMalformed "
    "IllegalLocationConstraintException IncorrectEndpoint",
    "the bucket is in another region, or behind another endpoint",
    "Set region (and endpoint) in [plugins.s3] to the bucket's.",
    lasting=True,
)
_means(
    "RequestTimeTooSkewed RequestExpired",
    "the clock of this machine differs from the server's by more than it allows",
    "Have the clock set by NTP.",
)
_means(
    "SlowDown 503 ServiceUnavailable Throttling ThrottlingException TooManyRequests 429 "
    "RequestLimitExceeded BandwidthLimitExceeded",
    "it is asked too much at once, or is out of service",
    "It is tried again by itself.",
)
_means(
    "InternalError 500 502 504 OperationAborted RequestTimeout 408",
    "it failed at the request",
    "It is tried again by itself.",
)
_means(
    "QuotaExceeded StorageQuotaExceeded XMinioStorageFull InsufficientStorage 507 "
    "EntityTooLarge MaxMessageLengthExceeded",
    "there is no room for it",
    "Make room, or raise the quota.",
)
_means(
    "KMS.DisabledException KMS.NotFoundException KMS.KMSInvalidStateException "
    "KMS.AccessDeniedException InvalidArgumentKMS KMS.UnavailableException",
    "the KMS key cannot be used",
    "See kms_key_id in [plugins.s3], and whether the keys may use it.",
    lasting=True,
)
_means(
    "NotImplemented 501 MethodNotAllowed 405",
    "the server does not have this",
    "See which servers are known to work in the plugin's page.",
    lasting=True,
)
_means("ObjectLocked InvalidRequestLocked", "the object is locked", "Wait for its retention.")
_means("KeyTooLongError", "the name of the file is too long for an object", "Shorten it.")

# Errors of the client itself, by the name of their class.
_CLIENT: dict[str, tuple[str, str, bool]] = {
    "NoCredentialsError": ("there are no keys to ask it with", _KEYS, True),
    "PartialCredentialsError": ("of the keys one half is missing", _KEYS, True),
    "CredentialRetrievalError": ("its keys cannot be had now", _KEYS, False),
    "ProfileNotFound": ("there is no such profile", "Correct profile in [plugins.s3].", True),
    "NoRegionError": ("the region is not known", "Set region in [plugins.s3].", True),
    "SSLError": (
        "its certificate is not trusted, or the encrypted connection failed",
        "Correct the endpoint, or set AWS_CA_BUNDLE to the file of its authority.",
        True,
    ),
    "EndpointConnectionError": (
        "it cannot be reached",
        "Is the endpoint right, and the server up? It is tried again by itself.",
        False,
    ),
    "ConnectTimeoutError": ("it cannot be reached in time", "It is tried again by itself.", False),
    "ReadTimeoutError": ("it did not answer in time", "It is tried again by itself.", False),
    "ConnectionClosedError": ("it cut the connection", "It is tried again by itself.", False),
    "ResponseStreamingError": ("it cut the connection", "It is tried again by itself.", False),
    "IncompleteReadError": ("it cut the connection", "It is tried again by itself.", False),
    "HTTPClientError": ("the connection failed", "It is tried again by itself.", False),
    "ProxyConnectionError": (
        "the proxy cannot be reached",
        "See HTTPS_PROXY and NO_PROXY.",
        False,
    ),
    "InvalidProxiesConfigError": ("the proxy cannot be used", "See HTTPS_PROXY.", True),
    "ResponseParserError": (
        "what answers is no server of S3",
        "Correct the endpoint in [plugins.s3].",
        False,
    ),
}


def server_time(response: Mapping[str, Any]) -> datetime | None:
    """Return what time it was at the server when it answered, None where it does not say."""
    value = ((response.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}).get("date")
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None


class BucketTrouble(StorageUnavailable):
    """A bucket, or the way to it, says no.

    Args:
        message: What was wrong.
        remedy: What helps.
        code: S3's word for it, or the name of the client's error.
        status: The HTTP status, 0 without an answer.
        lasting: Whether nothing but another setting, key or server helps.
        server_time: What time it was at the server, None where it does not say.
    """

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        code: str,
        status: int = 0,
        lasting: bool = False,
        server_time: datetime | None = None,
    ) -> None:
        super().__init__(message, remedy)
        self.server_time = server_time
        self.s3_code = code
        self.status = status
        self.lasting = lasting

    @property
    def missing(self) -> bool:
        """Whether the object, or the upload, is simply not there."""
        return self.s3_code in ("NoSuchKey", "NotFound", "NoSuchUpload", "NoSuchVersion") or (
            self.status == 404 and self.s3_code != "NoSuchBucket"
        )

    @property
    def changed(self) -> bool:
        """Whether a condition of the request was not met: another was there first."""
        return self.status in (409, 412)


def words_of_code(code: str) -> str:
    """Return what a code of S3 means, itself where it is not known."""
    return _CODES.get(code, (code, "", False))[0]


def trouble_of(
    error: Exception, doing: str, place: str, redactor: Redactor | None = None
) -> BucketTrouble:
    """Return an error of the client as one of ours.

    Args:
        error: What the client raised.
        doing: The operation, as S3 calls it.
        place: The bucket, as it may be shown.
        redactor: Knows the keys, which no server should send back.
    """
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    about: Mapping[str, Any] = response.get("Error") or {}
    meta: Mapping[str, Any] = response.get("ResponseMetadata") or {}
    status = int(meta.get("HTTPStatusCode") or 0)
    if about or status:
        code = str(about.get("Code") or status)
        known = _CODES.get(code) or _CODES.get(str(status))
        words, remedy, lasting = known or (f"it answered {code}", "", False)
        said = " ".join(str(about.get("Message") or "").split())[:_LONGEST_SAID]
        if redactor is not None:
            said = redactor.redact(said)
        detail = f" ({code}: {said})" if said else f" ({code})"
        region = about.get("Region") or (meta.get("HTTPHeaders") or {}).get("x-amz-bucket-region")
        if region and lasting and "region" in words:
            detail += f"; it names the region {region}"
        message = f"{place}: {words}{detail}, at {doing}."
        return BucketTrouble(
            message,
            remedy,
            code=code,
            status=status,
            lasting=lasting,
            server_time=server_time(response),
        )
    kinds = [each.__name__ for each in type(error).__mro__]
    known = next((_CLIENT[kind] for kind in kinds if kind in _CLIENT), None)
    words, remedy, lasting = known or (f"the request failed ({kinds[0]})", "", False)
    return BucketTrouble(
        f"{place}: {words}, at {doing}.", remedy, code=kinds[0], status=status, lasting=lasting
    )


def as_config_error(trouble: BucketTrouble) -> ConfigError:
    """Return a lasting trouble as what it is before anything runs: a setting that cannot be."""
    return ConfigError(trouble.message, trouble.remedy)
