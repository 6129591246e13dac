"""A FAKE of the ParallelCluster worker: answers with lines recorded from the real one, or misbehaves as told.

The cluster's name says which: a key of RECORDED, or one of the tricks below. `sys.argv[0]`'s folder is never written;
what has to be remembered between processes goes to the folder in FAKE_WORKER_FOLDER.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

RECORDED: dict[str, dict[str, Any]] = {
    "good": {
        "error": {
            "type": "DryrunOperationException", "code": 412,
            "content": {"message": "Request would have succeeded, but DryRun flag is set.", "validationMessages": [
                {"level": "WARNING", "type": "EfaPlacementGroupValidator", "message": "Placement group is disabled"}]},
        }
    },
    "typo": {
        "error": {
            "type": "CreateClusterBadRequestException", "code": 400,
            "content": {"message": "Invalid cluster configuration.", "configurationValidationErrors": [
                {"level": "ERROR", "type": "ConfigSchemaValidator", "message": "{'MaxCuont': ['Unknown field.']}"}]},
        }
    },
    "no-type": {
        "error": {
            "type": "CreateClusterBadRequestException", "code": 400,
            "content": {"message": "Invalid cluster configuration: The following supplied instance types do not exist: "
                                   "[p5.49xlarge]"},
        }
    },
    "taken": {
        "error": {
            "type": "BadRequestException", "code": 400,
            "content": {"message": "Bad Request: Cluster taken already exists."},
        }
    },
    "gone": {
        "error": {
            "type": "NotFoundException", "code": 404,
            "content": {"message": "Cluster 'gone' does not exist or belongs to an incompatible ParallelCluster major "
                                   "version."},
        }
    },
    "expired": {
        "error": {
            "type": "InternalServiceException", "code": 500,
            "content": {"message": "The security token included in the request is expired"},
        }
    },
    "denied": {
        "error": {
            "type": "CreateClusterBadRequestException", "code": 400,
            "content": {"message": "Invalid cluster configuration: User: arn:aws:iam::123456789012:user/lab is not "
                                   "authorized to perform this action"},
        }
    },
    "unreachable": {
        "error": {
            "type": "InternalServiceException", "code": 500,
            "content": {"message": 'Could not connect to the endpoint URL: "http://127.0.0.1:9/"'},
        }
    },
    "broken": {"error": {"type": "ModuleNotFoundError", "code": None, "content": {"message": "No module named 'x'"}}},
    "running-fleet": {
        "error": {
            "type": "UpdateClusterBadRequestException", "code": 400,
            "content": {"message": "Update failure", "updateValidationErrors": [
                {"parameter": "Scheduling.SlurmQueues[gpu].ComputeResources[r1].InstanceType",
                 "requestedValue": "p5en.48xlarge", "currentValue": "p5.48xlarge",
                 "message": "All compute nodes must be stopped."}]},
        }
    },
    "made": {"ok": {"cluster": {"clusterName": "made", "clusterStatus": "CREATE_IN_PROGRESS"}}},
    "there": {"ok": {"clusterName": "there", "clusterStatus": "CREATE_COMPLETE"}},
    "drawn": {"ok": [
        {"stack": "", "logical_id": "HeadNode", "type": "AWS::EC2::Instance", "properties": {}},
        {"stack": "Queues", "logical_id": "LaunchTemplate", "type": "AWS::EC2::LaunchTemplate",
         "properties": {"a": 1}}]},
}  # fmt: skip


def answer(request: dict[str, Any]) -> str:
    """The line for a request."""
    name = request["args"].get("name", "")
    if request["op"] == "hello":
        return json.dumps({"id": request["id"], "ok": {"version": "3.16.1"}})
    if name == "env":
        return json.dumps({"id": request["id"], "ok": request["env"]})
    if name == "garbage":
        return "Python 3.11.7 (jsii says hello)"
    if name == "another":
        return json.dumps({"id": request["id"] - 1, "ok": {}})
    if name == "half":
        return json.dumps({"id": request["id"], "error": "what"})
    if name == "slow":
        time.sleep(30)
    if name.startswith("dies"):
        remembered = Path(os.environ["FAKE_WORKER_FOLDER"]) / name
        deaths = int(remembered.read_text()) if remembered.exists() else 0
        if name != "dies-once" or deaths == 0:
            remembered.write_text(str(deaths + 1))
            print("Killed", file=sys.stderr, flush=True)
            sys.exit(9)
        name = "good"
    return json.dumps({"id": request["id"], **RECORDED[name]})


for line in sys.stdin:
    print(answer(json.loads(line)), flush=True)
