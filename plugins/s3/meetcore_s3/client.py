"""Asks a bucket: botocore, in a few threads, with a limit of wall-clock time for each request.

botocore's own limits count the time in which nothing comes; a server that gives a byte a second is
waited for without end. So each request has a thread and a deadline, and one that is late is left to
itself: whoever asked goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import trio

from meetcore import Redactor
from meetcore.log import Threads
from meetcore_s3.file_slice import FileSlice
from meetcore_s3.options import BucketPlace, S3Access, S3Options
from meetcore_s3.troubles import BucketTrouble, trouble_of

__all__ = ["BucketClient"]

T = TypeVar("T")
_ATTEMPTS = 3
_DEFAULT_REGION = "us-east-1"
_QUIET = logging.getLogger("botocore")


class BucketClient:
    """One bucket.

    Args:
        place: The bucket and the prefix.
        access: Where it is, and who asks.
        options: How long things may take.

    Attributes:
        place: The bucket and the prefix.
        encryption: What is sent with whatever makes an object.
    """

    def __init__(self, place: BucketPlace, access: S3Access, options: S3Options) -> None:
        self.place = place
        self._access = access
        self._options = options
        self._making = threading.Lock()
        self._clients: dict[str | None, Any] = {}
        self._session: Any = None
        self._files = Threads(options.connections)
        self._logs = Threads(options.connections)
        keys = (access.access_key_id, access.secret_access_key, access.session_token)
        self._redactor = Redactor(keys)
        self.encryption: dict[str, str] = {}
        if access.encryption is not None:
            self.encryption["ServerSideEncryption"] = access.encryption
        if access.kms_key_id is not None:
            self.encryption["SSEKMSKeyId"] = access.kms_key_id

    def __repr__(self) -> str:
        return f"BucketClient({str(self.place)!r})"

    async def ask(self, operation: str, **wanted: Any) -> dict[str, Any]:
        """Return the answer to a small request.

        With `whole=True` its `Body` is the whole object, as bytes.

        Raises:
            BucketTrouble: There is none, or it is a no.
        """
        return await self._within(self._options.request_s, self._logs, operation, wanted)

    async def ask_for_file(self, operation: str, **wanted: Any) -> dict[str, Any]:
        """Return the answer to a request that a file, or work on one, belongs to.

        A `Body` that is a `FileSlice` is closed, and breaks off where nobody waits any more.

        Raises:
            BucketTrouble: As for `ask`.
        """
        body = wanted.get("Body")
        try:
            return await self._within(self._options.part_s, self._files, operation, wanted)
        except BaseException:
            if isinstance(body, FileSlice):
                body.give_up()
            raise

    async def read(self, body: Any, most: int) -> bytes:
        """Return the next bytes of an answer's body; none at its end.

        Raises:
            BucketTrouble: The connection broke off.
        """

        def read() -> bytes:
            try:
                return bytes(body.read(most))
            except Exception as error:
                raise self._trouble(error, "GetObject") from error

        return await self._in_thread(self._options.request_s, self._files, read, "GetObject")

    async def presigned(self, key: str, expires_s: float) -> str:
        """Return a URL that gives an object to whoever has it.

        Raises:
            BucketTrouble: There are no keys to sign it with.
        """

        def sign() -> str:
            try:
                client = self._client(self._options.public_endpoint or self._access.endpoint)
                wanted = {"Bucket": self.place.bucket, "Key": key}
                return str(
                    client.generate_presigned_url(
                        "get_object", Params=wanted, ExpiresIn=max(1, int(expires_s))
                    )
                )
            except Exception as error:
                raise self._trouble(error, "signing a link") from error

        return await self._in_thread(self._options.request_s, self._logs, sign, "signing a link")

    # --- in threads ----------------------------------------------------------------------------

    async def _within(
        self, within_s: float, threads: Threads, operation: str, wanted: dict[str, Any]
    ) -> dict[str, Any]:
        work = partial(self._do, operation, wanted)
        return await self._in_thread(within_s, threads, work, operation)

    async def _in_thread(
        self, within_s: float, threads: Threads, work: Callable[[], T], doing: str
    ) -> T:
        try:
            return await threads.run(work, within_s=within_s)
        except trio.TooSlowError as error:
            raise BucketTrouble(
                f"{self.place}: no answer within {within_s:g} s, at {doing}.",
                "It is tried again by itself.",
                code="TooSlow",
            ) from error

    def _do(self, operation: str, wanted: dict[str, Any]) -> dict[str, Any]:
        body, whole = wanted.get("Body"), wanted.pop("whole", False)
        try:
            method = getattr(self._client(self._access.endpoint), operation)
            answer: dict[str, Any] = method(Bucket=self.place.bucket, **wanted)
            if whole:
                with answer["Body"] as stream:
                    answer["Body"] = stream.read()
        except Exception as error:
            if isinstance(body, FileSlice):
                # A server that says no before it has read a file may take what comes next on that
                # connection for the rest of it.
                with self._making:
                    self._clients.pop(self._access.endpoint, None)
            raise self._trouble(error, operation) from error
        finally:
            if isinstance(body, FileSlice):
                body.close()
        return answer

    def _trouble(self, error: Exception, doing: str) -> BucketTrouble:
        return trouble_of(error, doing, str(self.place), self._redactor)

    def _client(self, endpoint: str | None) -> Any:
        with self._making:
            if endpoint not in self._clients:
                self._clients[endpoint] = self._made(endpoint)
            return self._clients[endpoint]

    def _made(self, endpoint: str | None) -> Any:
        """Make a client; it takes a moment, since botocore reads what S3 is from files."""
        from botocore.config import Config
        from botocore.session import Session

        if _QUIET.level == logging.NOTSET:
            _QUIET.setLevel(logging.WARNING)  # below it writes headers, and a token is one
        access, options = self._access, self._options
        session = self._session
        if session is None:
            session = self._session = Session(profile=access.profile)
            if access.access_key_id is not None and access.secret_access_key is not None:
                token = access.session_token.reveal() if access.session_token else None
                session.set_credentials(
                    access.access_key_id.reveal(), access.secret_access_key.reveal(), token
                )
        region = access.region or session.get_config_variable("region") or _DEFAULT_REGION
        in_path = access.path_style
        if in_path is None:
            in_path = endpoint is not None
        config = Config(
            signature_version="s3v4",
            connect_timeout=options.connect_s,
            read_timeout=options.request_s,
            max_pool_connections=2 * options.connections,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            s3={"addressing_style": "path" if in_path else "virtual"},
            # Checksums as trailers are beyond most servers; files go with their MD5.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            tcp_keepalive=True,
        )
        return session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config)
