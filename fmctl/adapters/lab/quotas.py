"""Service quotas of EC2, of which moto has none."""

from __future__ import annotations

from typing import Any

from moto.servicequotas.models import ServiceQuotasBackend

from fmctl.adapters.lab.patch import patch
from fmctl.adapters.lab.world import World

# vCPUs of running On-Demand P instances, and of P4/P5 spot: 48 nodes of 192. A quota of the lab's account, not AWS's.
VCPUS = {"L-417A185B": 9216.0, "L-C4BD4855": 9216.0, "L-7212CCBC": 9216.0}


def install(world: World) -> None:
    """Answer for the quotas that a preflight asks for; the rest is moto's."""
    inner = ServiceQuotasBackend.get_service_quota

    def get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code == "ec2" and quota_code in VCPUS:
            return {"ServiceCode": "ec2", "QuotaCode": quota_code, "Value": VCPUS[quota_code], "Adjustable": True}
        return inner(self, service_code, quota_code)

    patch(ServiceQuotasBackend, "get_service_quota", get_service_quota)
