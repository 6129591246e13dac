"""What of a cluster outlives it by the names that ParallelCluster gives: folders of its bucket, IAM roles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fmctl.adapters.aws.errors import asked, code_of
from fmctl.adapters.aws.session import Session, pages
from fmctl.domain.ports import Leftover

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def bucket(account: str, region: str) -> str:
    """The name of ParallelCluster's bucket: one per account and region."""
    return f"parallelcluster-{hashlib.sha256(f'{account}{region}'.encode()).hexdigest()[:16]}-v1-do-not-delete"


def buckets(session: Session, cluster: str) -> Iterator[Leftover]:
    """ParallelCluster's bucket of account and region: all clusters share it, so only the cluster's folder counts."""
    name = bucket(session.caller()["Account"], session.region)
    for prefix in _folders(session.client("s3"), name, cluster):
        command = f"aws s3 rm --recursive s3://{name}/{prefix}"
        yield Leftover("bucket folder", f"s3://{name}/{prefix}", None, command, "configuration and templates")


def _folders(client: S3Client, bucket: str, cluster: str) -> list[str]:
    """`parallelcluster/<version>/clusters/<cluster>-<16 letters>/` of every version."""
    from botocore.exceptions import ClientError

    with asked(f"the content of {bucket}"):
        try:
            listing = client.get_paginator("list_objects_v2")
            versions = [
                prefix["Prefix"]
                for page in listing.paginate(Bucket=bucket, Prefix="parallelcluster/", Delimiter="/")
                for prefix in page.get("CommonPrefixes", ())
            ]
            found = [
                prefix["Prefix"]
                for version in versions
                for page in listing.paginate(Bucket=bucket, Prefix=f"{version}clusters/{cluster}-", Delimiter="/")
                for prefix in page.get("CommonPrefixes", ())
            ]
        except ClientError as error:
            if code_of(error) in ("NoSuchBucket", "PermanentRedirect", "301"):  # nothing was ever launched here
                return []
            raise
    return [one for one in found if "-" not in one.rstrip("/").rpartition(f"/{cluster}-")[2]]


def roles(session: Session, cluster: str) -> Iterator[Leftover]:
    """Roles of its nodes and functions, which a deletion that broke off leaves; earlier paths had no region."""
    for path in (f"/parallelcluster/{session.region}/{cluster}/", f"/parallelcluster/{cluster}/"):
        listed = session.client("iam").get_paginator("list_roles").paginate(PathPrefix=path)
        for one in (one for page in pages("IAM roles", listed) for one in page.get("Roles", ())):
            command = f"aws iam delete-role --role-name {one['RoleName']}"
            yield Leftover("IAM role", one["RoleName"], 0.0, command, "its policies have to go first")
