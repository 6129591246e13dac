"""Which quota of EC2 counts for a purchase: codes of Service Quotas, in vCPUs."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.domain.purchase import PURCHASES, Market

# Source: EC2 service quotas page. Spot of P6 is not published.
QUOTA_ON_DEMAND: Mapping[str, str] = {"p": "L-417A185B", "g": "L-DB2E81BA", "trn": "L-2C3B7624"}
QUOTA_SPOT: Mapping[str, str] = {"p5": "L-C4BD4855", "p4": "L-7212CCBC", "g": "L-3819A6DF", "trn": "L-6B0D517C"}
# Capacity Blocks count against none.
_CODES: Mapping[Market, Mapping[str, str]] = {"on-demand": QUOTA_ON_DEMAND, "spot": QUOTA_SPOT}


def quota_code(instance: str, purchase: str) -> str | None:
    """The quota that counts; None where none does (Capacity Blocks) or none is known (P6 spot, other families)."""
    return _quota(instance, purchase)[1]


def quota_family(instance: str, purchase: str) -> str | None:
    """How the types begin that share the quota; None where `quota_code` is."""
    return _quota(instance, purchase)[0]


def _quota(instance: str, purchase: str) -> tuple[str, str] | tuple[None, None]:
    codes = _CODES.get(PURCHASES[purchase].market, {})
    return next(((family, code) for family, code in codes.items() if instance.startswith(family)), (None, None))
