"""The ParallelCluster worker: `pcluster.lib` behind JSON lines, run by the interpreter of its environment.

Stands alone: imports nothing of fmctl. One request per line on stdin, one answer per line on the original stdout:

    -> {"id": 1, "op": "validate", "args": {"name": ..., "config": ..., "region": ...}, "env": {"AWS_...": ...}}
    <- {"id": 1, "ok": ...}    or    {"id": 1, "error": {"type": "...", "code": 400, "content": {"message": ...}}}

Whatever pcluster, node or jsii print to stdout or stderr goes to stderr, which is a log file. Ends with stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

Asked = Callable[..., Awaitable[object]]

_REQUEST = [0]


def main() -> None:
    """Answer until stdin ends."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]  # our own pcluster.py is beside
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # from here on a print anywhere, in node too, is a line of the log
    sys.stdout = sys.stderr
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    asyncio.set_event_loop(asyncio.new_event_loop())
    for line in sys.stdin:
        if line.strip():
            out.write(json.dumps(_answer(json.loads(line)), default=str) + "\n")
            out.flush()


def _answer(request: dict[str, Any]) -> dict[str, object]:
    _REQUEST[0] += 1
    before = dict(os.environ)
    try:
        _forget(request.get("env") or {})
        return {"id": request["id"], "ok": _OPS[request["op"]](**request.get("args", {}))}
    except BaseException as error:  # SystemExit too: pcluster leaves that way when a parameter is wrong
        return {"id": request["id"], "error": _told(error)}
    finally:
        os.environ.clear()
        os.environ.update(before)


def _forget(env: dict[str, str]) -> None:
    """Nothing of one request is seen by the next: variables, clients, caches, boto3's session."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(env)
    if "pcluster" in sys.modules:
        import boto3
        from pcluster.aws.aws_api import AWSApi
        from pcluster.aws.common import Cache

        AWSApi.reset()
        Cache.clear_all()
        boto3.DEFAULT_SESSION = None


@functools.cache
def _lib() -> Any:
    """`pcluster.lib`, with the one cache that knows neither region nor endpoint made to know the request."""
    from pcluster.utils import AsyncUtils

    AsyncUtils.async_timeout_cache = staticmethod(_cached_for_a_request)
    import pcluster.lib

    return pcluster.lib


def _cached_for_a_request(timeout: float = 10) -> Callable[[Asked], Asked]:
    """In place of pcluster's `async_timeout_cache`, whose keys would mix up two regions within ten seconds."""

    def decorate(function: Asked) -> Asked:
        kept: dict[tuple[int, tuple[object, ...], frozenset[tuple[str, object]]], tuple[Awaitable[object], float]] = {}

        @functools.wraps(function)
        async def wrapper(*args: object, **kwargs: object) -> object:
            key = (_REQUEST[0], args[1:], frozenset(kwargs.items()))
            if key not in kept or kept[key][1] < time.time():
                for old in [old for old in kept if old[0] != _REQUEST[0]]:
                    del kept[old]
                kept[key] = (asyncio.ensure_future(function(*args, **kwargs)), time.time() + timeout)
            return await kept[key][0]

        return wrapper

    return decorate


def _told(error: BaseException) -> dict[str, object]:
    """The error as the command line of pcluster would print it."""
    if getattr(error, "code", None) is None:
        logging.exception("request failed")
    content: object = getattr(error, "data", None)
    if "pcluster" in sys.modules and not isinstance(content, dict):
        content = _api_content(error)
    if not isinstance(content, dict):
        content = {"message": str(error)}
    if str(content.get("message", "")).startswith("Unexpected fatal exception"):
        content = {"message": f"{type(error).__name__}: {error}"}
    return {"type": type(error).__name__, "code": getattr(error, "code", None), "content": content}


def _api_content(error: BaseException) -> object:
    from pcluster.api import encoder
    from pcluster.api.errors import exception_message

    return json.loads(encoder.JSONEncoder().encode(exception_message(error)))


def _plain(found: object) -> object:
    from pcluster.api import encoder

    return json.loads(encoder.JSONEncoder().encode(found))


@contextlib.contextmanager
def _file(config: str) -> Iterator[str]:
    """The configuration as a file: a text is taken for a path, and a dict would lose how the user wrote it."""
    with tempfile.TemporaryDirectory(prefix="fmctl-") as folder:
        path = Path(folder) / "cluster.yaml"
        path.write_text(config, encoding="utf-8")
        yield str(path)


def hello() -> dict[str, str]:
    """Versions; does not import pcluster."""
    from importlib.metadata import version

    return {"version": version("aws-parallelcluster"), "python": sys.version.split()[0]}


def validate(name: str, config: str, region: str) -> object:
    """A dry run; pcluster raises even when all is well."""
    with _file(config) as path:
        return _plain(_lib().create_cluster(cluster_name=name, cluster_configuration=path, region=region, dryrun=True))


def create(name: str, config: str, region: str) -> object:
    """Start a creation that stays to be looked at when it fails."""
    with _file(config) as path:
        made = _lib().create_cluster(
            cluster_name=name, cluster_configuration=path, region=region, rollback_on_failure=False
        )
    return _plain(made)


def update(name: str, config: str, region: str) -> object:
    """Start an update."""
    with _file(config) as path:
        return _plain(_lib().update_cluster(cluster_name=name, cluster_configuration=path, region=region))


def stop_fleet(name: str, region: str) -> object:
    """Ask the fleet to stop."""
    return _plain(_lib().update_compute_fleet(cluster_name=name, status="STOP_REQUESTED", region=region))


def delete(name: str, region: str) -> object:
    """Start a deletion."""
    return _plain(_lib().delete_cluster(cluster_name=name, region=region))


def describe(name: str, region: str) -> object:
    """`describe-cluster`."""
    return _plain(_lib().describe_cluster(cluster_name=name, region=region))


def synth(name: str, config: str, region: str) -> list[dict[str, object]]:
    """The resources of the templates, the root's first. Writes nothing anywhere."""
    _lib()
    os.environ["AWS_DEFAULT_REGION"] = region
    from pcluster.models.cluster import Cluster
    from pcluster.models.s3_bucket import S3Bucket
    from pcluster.schemas.cluster_schema import ClusterSchema
    from pcluster.templates.cdk_builder import CDKTemplateBuilder
    from pcluster.utils import yaml_load

    class Nowhere(S3Bucket):  # type: ignore[misc]
        """A bucket by name alone: creating one, and uploading, is what a creation does."""

        def upload_cfn_asset(self, *args: object, **kwargs: object) -> None:
            """Not uploaded."""

    cluster = Cluster(name, config=config)
    cluster.config = ClusterSchema(cluster_name=name).load(yaml_load(config))
    cluster.config.config_version = cluster.config.original_config_version = "v1"
    cluster.config.instance_types_data_version = "v1"
    cluster._add_tags()
    bucket = Nowhere(service_name=name, stack_name=name, artifact_directory=f"parallelcluster/clusters/{name}")
    template, assets = CDKTemplateBuilder().build_cluster_template(
        cluster_config=cluster.config, bucket=bucket, stack_name=name
    )
    return list(_resources("", template, assets))


def _resources(stack: str, template: dict[str, Any], assets: list[dict[str, Any]]) -> Iterator[dict[str, object]]:
    """Depth first: a nested stack names its template by the parameter that holds its key."""
    for logical, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        yield {"stack": stack, "logical_id": logical, "type": resource["Type"], "properties": properties}
        if resource["Type"] == "AWS::CloudFormation::Stack":
            spelled = json.dumps(properties)
            for asset in assets:
                if asset["s3_object_key_parameter"]["key"] in spelled:
                    inner = [other for other in assets if other is not asset]
                    yield from _resources(logical, asset["content"], inner)
                    break


_OPS: dict[str, Callable[..., object]] = {
    "hello": hello,
    "validate": validate,
    "create": create,
    "update": update,
    "stop_fleet": stop_fleet,
    "delete": delete,
    "describe": describe,
    "synth": synth,
}

if __name__ == "__main__":
    main()
