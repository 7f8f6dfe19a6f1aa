"""The way to a broker that is encrypted: a broker of Debian's that speaks TLS, and no other way."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meetcore import BotBus, BusItem, BusUnavailable, Secret
from meetcore.testing import BusConformance
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.redis.broker import Broker, open_broker

PASSWORD = "of-the-broker"


def write_certificates(folder: Path) -> None:
    """Write an authority (ca.pem) and what it has signed for 127.0.0.1 (broker.pem, broker.key)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    certificate = made.public_bytes(serialization.Encoding.PEM)
    for file in ("ca.pem", "broker.pem"):
        (folder / file).write_bytes(certificate)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "broker.key").write_bytes(private)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    write_certificates(made)
    return made


@pytest.fixture(scope="module")
def broker(folder: Path) -> Iterator[Broker]:
    files = ("--tls-cert-file", str(folder / "broker.pem")), (
        "--tls-key-file", str(folder / "broker.key")), (
        "--tls-ca-cert-file", str(folder / "ca.pem"))  # fmt: skip
    settings = [word for pair in files for word in pair]
    settings += ["--tls-auth-clients", "no", "--requirepass", PASSWORD]
    with open_broker(*settings, tls=True) as held:
        yield held


class TestOverTls(BusConformance):
    @pytest.fixture(autouse=True)
    def _broker(self, broker: Broker, folder: Path) -> None:
        self._url = broker.url
        self._options = RedisOptions(
            tls=True,
            ca_file=folder / "ca.pem",
            password=Secret(PASSWORD),
            prefix=f"t-{uuid4().hex[:8]}",
        )

    def make_bus(self) -> BotBus:
        return RedisBus(self._url, self._options)


async def refused(broker: Broker, options: RedisOptions) -> str:
    bus = RedisBus(broker.url, options)
    with trio.fail_after(30):
        async with bus.open():
            with pytest.raises(BusUnavailable) as found:
                await bus.claim("b-1")
            with pytest.raises(BusUnavailable):
                await bus.publish("b-1", 1, [BusItem(1, b"{}")], alive_s=1.0)
    assert PASSWORD not in str(found.value)
    return str(found.value)


async def test_a_broker_that_nobody_vouches_for_is_not_told_the_password(
    broker: Broker, tmp_path: Path
) -> None:
    said = await refused(broker, RedisOptions(tls=True, password=Secret(PASSWORD)))
    assert "cannot be encrypted: certificate verify failed" in said
    write_certificates(tmp_path / "others")
    others = RedisOptions(
        tls=True, ca_file=tmp_path / "others" / "ca.pem", password=Secret(PASSWORD)
    )
    assert "cannot be encrypted: certificate verify failed" in await refused(broker, others)


async def test_one_that_speaks_no_tls_says_so() -> None:
    with open_broker() as plain:
        said = await refused(plain, RedisOptions(tls=True))
    assert "cannot be" in said
    assert "tls in [plugins.redis]" in said


async def test_one_that_wants_tls_and_is_spoken_to_in_the_clear_is_away(broker: Broker) -> None:
    assert "cannot be reached" in await refused(broker, RedisOptions())
