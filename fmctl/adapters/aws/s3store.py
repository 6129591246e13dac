"""The state store in S3: what a team shares. Every write is conditional, so no update is lost and no lock taken twice.

New objects go with `If-None-Match: *`, updates with `If-Match: <ETag>`; S3 answers 412 where somebody was faster and
409 where two wrote at once. A write whose answer got lost is recognised by reading it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fmctl.adapters.aws.errors import asked, code_of
from fmctl.adapters.aws.session import Session, pages
from fmctl.base.errors import FmctlError, UnreadableFile, UsageError
from fmctl.base.files import LARGEST
from fmctl.domain.state import Stored

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import PutObjectRequestTypeDef

_T = TypeVar("_T")
_MISSING = {"NoSuchKey", "404", "NotFound"}
_FASTER = {"PreconditionFailed", "412"}
_AT_ONCE = {"ConditionalRequestConflict", "409", "OperationAborted"}
_TRIES = 4
_ASIDE = "put it aside, then the same command again"
_AT_A_TIME = 16


class S3Store:
    """Texts as objects under a prefix.

    Args:
        session: to AWS.
        url: s3://bucket or s3://bucket/prefix.

    Raises:
        UsageError: it is no such address.
    """

    def __init__(self, session: Session, url: str) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not url.startswith("s3://") or not bucket:
            raise UsageError(f"'{url}' is no place for state", next="--store s3://bucket/prefix, or a folder")
        self._session, self._bucket = session, bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._where = f"s3://{bucket}/{self._prefix}".rstrip("/")

    @property
    def where(self) -> str:
        """The s3:// address."""
        return self._where

    def read(self, key: str) -> Stored | None:
        """The text, None where there is none; bytes that are no UTF-8 are kept as they are."""
        from botocore.exceptions import ClientError

        client = self._session.client("s3")
        with asked(f"{self._where}/{key}"):
            try:
                found = client.get_object(Bucket=self._bucket, Key=self._prefix + key)
                content = found["Body"].read(LARGEST + 1)
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise
        if len(content) > LARGEST:
            raise UnreadableFile(f"{self._where}/{key} is too large", why=f"more than {LARGEST:,} bytes", next=_ASIDE)
        return Stored(content.decode("utf-8", "surrogateescape"), found["ETag"])

    def read_all(self, keys: Iterable[str]) -> Iterator[Stored | FmctlError | None]:
        """The texts, or why one cannot be read, in order; several are asked for at once."""

        def one(key: str) -> Stored | FmctlError | None:
            try:
                return self.read(key)
            except FmctlError as error:
                return error

        with ThreadPoolExecutor(_AT_A_TIME) as readers:
            yield from readers.map(one, keys)

    def create(self, key: str, text: str) -> Stored | None:
        """Write a new object; None where it exists."""
        return self._put(key, text, None)

    def replace(self, key: str, text: str, version: str) -> Stored | None:
        """Write over the object of that ETag; None where it changed or went."""
        return self._put(key, text, version)

    def append(self, key: str, text: str, before: Stored | None) -> Stored | None:
        """Write the object with the text added; None where it is no longer what was read."""
        if before is None:
            return self.create(key, text)
        return self.replace(key, before.text + text, before.version)

    def remove(self, key: str, version: str) -> bool:
        """Remove the object of that ETag."""
        client = self._session.client("s3")

        def delete() -> bool:
            client.delete_object(Bucket=self._bucket, Key=self._prefix + key, IfMatch=version)
            return True

        return bool(self._conditionally(key, delete))

    def keys(self, folder: str, begin: str = "") -> tuple[str, ...]:
        """Keys in one folder whose name begins so, sorted."""
        listed = self._session.client("s3").get_paginator("list_objects_v2")
        found = pages(self._where, listed.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{folder}/{begin}"))
        keys = [one["Key"] for page in found for one in page.get("Contents", ())]
        return tuple(sorted(key.removeprefix(self._prefix) for key in keys))

    def _put(self, key: str, text: str, version: str | None) -> Stored | None:
        """Write over the object of that ETag; without one, an object that must be new."""
        client = self._session.client("s3")
        given: PutObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": self._prefix + key,
            "Body": text.encode("utf-8", "surrogateescape"),
            "ContentType": "application/json",
        }
        if version is None:
            given["IfNoneMatch"] = "*"
        else:
            given["IfMatch"] = version
        written = self._conditionally(key, lambda: Stored(text, client.put_object(**given)["ETag"]))
        if written is None:  # our own write, whose answer was lost and which boto3 tried again, looks the same
            found = self.read(key)
            return found if found is not None and found.text == text else None
        return written

    def _conditionally(self, key: str, call: Callable[[], _T]) -> _T | None:
        """What the call gives; None where its condition does not hold."""
        from botocore.exceptions import ClientError

        with asked(f"{self._where}/{key}"):
            for attempt in range(_TRIES):
                try:
                    return call()
                except ClientError as error:
                    code = code_of(error)
                    if code in _FASTER or code in _MISSING:
                        return None
                    if code not in _AT_ONCE or attempt == _TRIES - 1:
                        raise
        return None
