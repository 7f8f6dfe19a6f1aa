"""A bucket for each test, and what lies in it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs

from meetcore.model.config import build_options
from meetcore_s3.options import S3Options
from meetcore_s3.store import S3Store

from .servers import S3Server

LEAST = 5 * 1024 * 1024


def bucket_for(server: S3Server, place: Path | str) -> str:
    """Return the name of a bucket that belongs to a place, made where it is not there."""
    name = f"b-{hashlib.sha256(str(place).encode()).hexdigest()[:20]}"
    client = server.client()
    if name not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=name)
    return name


def open_s3(server: S3Server, bucket: str, workplaces: Path, **options: Any) -> S3Store:
    """Return a store in a bucket; its parts are as small as they may be."""
    made = build_options(S3Options, {**server.access(), **options}, "[plugins.s3]")
    made = attrs.evolve(made, workplaces=workplaces)
    if "part_bytes" not in options:
        made = attrs.evolve(made, part_bytes=LEAST)
    return S3Store(f"s3://{bucket}/mine", made)


def everything_in(server: S3Server, bucket: str) -> dict[str, bytes]:
    """Return all that a bucket holds: objects and their versions, and names of open uploads."""
    client = server.client()
    found: dict[str, bytes] = {}
    for each in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        body = client.get_object(Bucket=bucket, Key=each["Key"])["Body"]
        found[each["Key"]] = body.read()
    if server.name == "moto":
        answer = client.list_object_versions(Bucket=bucket)
        for each in answer.get("Versions", ()):
            wanted = {"Key": each["Key"], "VersionId": each["VersionId"]}
            body = client.get_object(Bucket=bucket, **wanted)["Body"]
            found[f"{each['Key']}?{each['VersionId']}"] = body.read()
        for each in answer.get("DeleteMarkers", ()):
            found[f"{each['Key']}?{each['VersionId']}"] = b""
    for each in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
        found[f"{each['Key']}?upload={each['UploadId']}"] = b""
    return found
