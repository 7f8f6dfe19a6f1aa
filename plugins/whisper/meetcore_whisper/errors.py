"""What can be wrong with a model, each with what a person can do about it."""

from __future__ import annotations

from meetcore import MeetcoreError

__all__ = ["ModelDamaged", "ModelFetchFailed", "ModelNotFound", "WhisperError"]


class WhisperError(MeetcoreError):
    """Something about whisper's models or its worker."""

    code = "whisper"


class ModelNotFound(WhisperError):
    """No model of that name is on this machine, or nobody knows the name."""

    code = "model_not_found"


class ModelDamaged(WhisperError):
    """A file of a model is not what it should be."""

    code = "model_damaged"


class ModelFetchFailed(WhisperError):
    """A model could not be fetched; what had come stays, and the next try goes on from there."""

    code = "model_fetch_failed"
