"""How instances are bought: every option once, with what follows from it for prices, bills, clusters and quotas.

Source: EC2 User Guide, "Capacity Blocks for ML", "On-Demand Capacity Reservations", "Spot Instances" and "Reserved
Instances" (2026-10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fmctl.base.errors import UnknownName

Market = Literal["on-demand", "capacity-block", "spot"]
Billed = Literal["used", "held", "up front", "term"]
YEAR_H = 8760.0


@dataclass(frozen=True, slots=True)
class Purchase:
    """One way to buy an instance."""

    name: str  # as options, documents and rows of prices say it
    market: Market  # the capacity that EC2 takes the instances from
    billed: Billed  # hours that run; hours held, used or not; whole blocks in advance; every hour of the term
    sold_as: str = ""  # the option under which the catalogue says that a type is sold; its own name unless said
    regions_as: str = ""  # the option whose list of regions counts; as `sold_as` unless said
    priced_as: str = ""  # the option of the price rows whose rate is paid; its own name unless said
    term_h: float = 0.0  # hours that are paid for in any case
    launched: bool = False  # a cluster can be launched so; the others only change what its hours cost
    reserved: bool = False  # uses a reservation, named by its id
    evidence: bool = False  # its rows tell of one region and day: where there is none it is not on file
    never: str = ""  # why a type is not sold so at all, where AWS has no list of such types
    note: str = ""  # what whoever buys should know

    def __str__(self) -> str:
        """The name: what a message or a row says."""
        return self.name

    @property
    def listing(self) -> str:
        """The option under which a type is sold."""
        return self.sold_as or self.name

    @property
    def regions(self) -> str:
        """The option whose list of regions counts."""
        return self.regions_as or self.listing

    @property
    def rate(self) -> str:
        """The option whose rate is paid."""
        return self.priced_as or self.name

    @property
    def in_blocks(self) -> bool:
        """Whether it is bought as dated Capacity Blocks."""
        return self.market == "capacity-block"


ON_DEMAND = Purchase("on-demand", "on-demand", "used", launched=True)
ODCR = Purchase(
    "odcr",
    "on-demand",
    "held",
    sold_as="on-demand",
    priced_as="on-demand",
    launched=True,
    reserved=True,
    never="a reservation is paid at the on-demand rate, and there is none",
    note="billed from its creation to its cancellation, used or not",
)
BLOCK = Purchase(
    "capacity-block",
    "capacity-block",
    "up front",
    launched=True,
    reserved=True,
    note="paid up front and not refunded; UpfrontFee of the offering is what counts",
)
SPOT = Purchase(
    "spot",
    "spot",
    "used",
    launched=True,
    note="AWS takes instances back at two minutes' notice; how often is not published",
)
_TERM = "every hour of the term is paid for"
RESERVED_1Y, RESERVED_3Y = (
    Purchase(
        name,
        "on-demand",
        "term",
        regions_as="on-demand",
        term_h=term_h,
        never=f"no {name} rate is listed for it",
        note=_TERM,
    )
    for name, term_h in (("reserved-1y", YEAR_H), ("reserved-3y", 3 * YEAR_H))
)
SAVINGS_PLAN_1Y = Purchase(
    "savings-plan-1y",
    "on-demand",
    "term",
    sold_as="on-demand",
    term_h=YEAR_H,
    evidence=True,
    never="no savings-plan-1y rate is listed for it",
    note=_TERM,
)
PURCHASES: dict[str, Purchase] = {
    one.name: one for one in (ON_DEMAND, ODCR, BLOCK, SPOT, RESERVED_1Y, RESERVED_3Y, SAVINGS_PLAN_1Y)
}
"""By name, in the order in which people read them."""


def purchase(name: str) -> Purchase:
    """The option of that name. Raises UnknownName."""
    if name not in PURCHASES:
        raise unknown(name, tuple(PURCHASES))
    return PURCHASES[name]


def unknown(name: str, names: tuple[str, ...]) -> UnknownName:
    """The error for a name that is none of those."""
    return UnknownName("purchase option", name, names, next=f"--purchase {' | '.join(names)}")


def launched() -> tuple[str, ...]:
    """Names of the options that a cluster can be launched with."""
    return tuple(name for name, one in PURCHASES.items() if one.launched)


def priced() -> tuple[str, ...]:
    """Names of the options whose rows of prices hold for a day: not those of evidence, nor those paid at another's."""
    return tuple(name for name, one in PURCHASES.items() if one.rate == name and not one.evidence)
