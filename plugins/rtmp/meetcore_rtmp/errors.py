"""How a live stream fails: the receiver is not there, does not take it, or goes away."""

from __future__ import annotations

from meetcore import MeetcoreError

__all__ = [
    "ReceiverLost",
    "ReceiverRefused",
    "ReceiverUnreachable",
    "RtmpError",
    "RtmpWorkerFailed",
]


class RtmpError(MeetcoreError):
    """Root of what goes wrong between a bot and an RTMP receiver."""

    code = "rtmp"


class ReceiverUnreachable(RtmpError):
    """There is no connection: no such host, nobody answers, the certificate is not right."""

    code = "receiver_unreachable"


class ReceiverRefused(RtmpError):
    """There is a connection, but the stream is not taken: a wrong path, a wrong key."""

    code = "receiver_refused"


class ReceiverLost(RtmpError):
    """The stream was taken, then it broke off: the receiver closed it, or reads no more."""

    code = "receiver_lost"


class RtmpWorkerFailed(RtmpError):
    """The process that speaks RTMP did not start, or broke off by itself."""

    code = "rtmp_worker_failed"
