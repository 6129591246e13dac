"""What AWS answered, held against what is needed: each way by hand, and what an unknown leaves open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.adapters.aws.capacity import Answer, BlockOffering, SpotScore
from fmctl.domain.ports import Reservation
from fmctl.operate.availability import Need, Quota, Region, available, look, raise_quota, ways

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALL = ("on-demand", "capacity-block", "spot")
NEED = Need("p5.48xlarge", 4, 2, "p5.48xlarge", 1, 192, ALL)
REFUSED: Answer[Any] = Answer((), "AWS refuses it", "ask for the right", True)


def held(state: str = "active", total: int = 8, free: int = 4, name: str = "cr-1") -> Reservation:
    return Reservation(name, "p5.48xlarge", "us-east-1a", state, total, free, "default", NOW, None)


def block(fee_usd: float | None = 8064.0) -> BlockOffering:
    return BlockOffering(
        "cb-1", "p5.48xlarge", "us-east-1a", 4, NOW, NOW + timedelta(days=2), NOW, 48.0, fee_usd, "USD"
    )


def quota(
    limit: float | None = 0.0, used: int | None = 0, needed: int | None = 768, purchase: str = "on-demand"
) -> Quota:
    return Quota(purchase, "L-417A185B", limit, used, needed)


def region(**more: Any) -> Region:
    """A region that has nothing."""
    nothing: dict[str, Any] = {
        "zones": Answer(("use1-az1",)), "blocks": Answer(()), "spot": Answer(()), "reservations": Answer(()),
        "quotas": (Answer((quota(),)),),
    }  # fmt: skip
    return Region(name="us-east-1", **(nothing | more))


def states(found: Region, need: Need = NEED) -> dict[str, str]:
    return {way.way: way.state for way in ways(need, found)}


def test_nothing_is_to_be_had() -> None:
    assert states(region()) == {"reservation": "no", "capacity-block": "no", "on-demand": "no"}
    assert available(ways(NEED, region())) == "no"


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (held(free=4), "yes"),
        (held(free=3), "no"),
        (held("scheduled", total=4, free=0), "yes"),  # it has not begun: all of it will be ours
        (held("scheduled", total=3, free=0), "no"),
        (held("pending", total=8, free=8), "no"),  # AWS may still refuse it
        (held("assessing", total=8, free=8), "no"),
    ],
)
def test_reservations(one: Reservation, state: str) -> None:
    found = region(reservations=Answer((one,)))
    assert states(found)["reservation"] == state
    assert available(ways(NEED, found)) == state


def test_an_ultraserver_takes_all_of_its_members() -> None:
    need = Need("u-p6e-gb200x72", 1, 1, "p6e-gb200.36xlarge", 18, 2592, ("capacity-block",))
    for free, state in ((18, "yes"), (17, "no")):
        found = region(reservations=Answer((held(total=18, free=free),)), quotas=())
        assert states(found, need) == {"reservation": state, "capacity-block": "no"}


def test_blocks_say_the_lowest_known_fee() -> None:
    found = region(blocks=Answer((block(9000.0), block(None), block(8064.0))))
    way = next(way for way in ways(NEED, found) if way.way == "capacity-block")
    assert (way.state, way.found) == ("yes", "3 on sale, from $8,064.00")
    unpriced = next(way for way in ways(NEED, region(blocks=Answer((block(None),)))) if way.way == "capacity-block")
    assert unpriced.found == "1 on sale"


def test_more_than_a_block_holds_is_not_promised() -> None:
    need = Need("p5.48xlarge", 130, 2, "p5.48xlarge", 1, 192, ALL)
    assert need.in_a_block == 64
    way = next(way for way in ways(need, region(blocks=Answer((block(),)))) if way.way == "capacity-block")
    assert (way.state, way.found) == ("maybe", "130 take 3 blocks; on sale of 64: 1, from $8,064.00 each")


@pytest.mark.parametrize(
    ("one", "enough", "state"),
    [
        (quota(960.0, 192), True, "maybe"),  # 960 - 192 = 768 = 4 x 192
        (quota(960.0, 193), False, "no"),
        (quota(767.0, None), False, "no"),  # too small whatever runs
        (quota(960.0, None), None, "unknown"),
        (quota(None, None), None, "unknown"),
        (quota(960.0, 0, None), None, "unknown"),  # the type's vCPUs are not known
    ],
)
def test_quotas(one: Quota, enough: bool | None, state: str) -> None:
    assert one.enough is enough
    assert states(region(quotas=(Answer((one,)),)))["on-demand"] == state


def test_a_quota_that_is_too_small_says_by_how_much() -> None:
    way = ways(NEED, region(quotas=(Answer((quota(960.0, 193),)),)))[-1]
    assert way.found == "768 vCPUs needed, 767 of 960 left"
    assert way.next == raise_quota(quota(960.0, 193))
    assert way.next.endswith("--quota-code L-417A185B --desired-value 961")


def test_no_quota_helps_where_no_zone_has_the_type() -> None:
    found = region(zones=Answer(()), quotas=(Answer((quota(9000.0),)),))
    assert states(found)["on-demand"] == "no"
    assert states(region(zones=REFUSED, quotas=(Answer((quota(9000.0),)),)))["on-demand"] == "unknown"


@pytest.mark.parametrize("name", ["blocks", "reservations"])
def test_what_could_not_be_asked_may_be_there(name: str) -> None:
    found = region(**{name: REFUSED})
    assert available(ways(NEED, found)) == "unknown"
    assert [(section, answer.denied) for section, answer in found.sections() if answer.why] == [(name, True)]
    # A sure way makes up for it.
    assert available(ways(NEED, region(**({name: REFUSED} | {"quotas": (Answer((quota(9000.0),)),)})))) == "maybe"


def test_spot_alone_that_is_unknown_leaves_a_no_a_no() -> None:
    spot = Answer((quota(None, None, purchase="spot"),), "spot: no quota is known")
    assert available(ways(NEED, region(quotas=(Answer((quota(),)), spot)))) == "no"


@given(limit=st.floats(0, 1e6), used=st.integers(0, 10_000), count=st.integers(1, 500), more=st.floats(0, 1e5))
def test_a_larger_quota_never_helps_less(limit: float, used: int, count: int, more: float) -> None:
    small, large = (Quota("on-demand", "L", one, used, 192 * count).enough for one in (limit, limit + more))
    assert large or not small


class Told:
    """A region that writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def answer(*given: Any) -> Answer[Any]:
            self.asked.append((name, *(tuple(one) if isinstance(one, list) else one for one in given)))
            said = {"quota": (1152.0,), "used_vcpus": (192,), "spot_scores": (SpotScore("us-east-1", "use1-az1", 3),)}
            return Answer(said.get(name, ()))

        return answer


def test_what_is_asked() -> None:
    told = Told()
    found = look(told, NEED, "us-east-1")  # type: ignore[arg-type]
    assert set(told.asked) == {
        ("zones", "p5.48xlarge"), ("blocks", "p5.48xlarge", 4, 2, None), ("reservations", "p5.48xlarge"),
        ("spot_scores", "p5.48xlarge", 4, ("us-east-1",)), ("quota", "L-417A185B"), ("used_vcpus", "p", False),
        ("quota", "L-C4BD4855"), ("used_vcpus", "p5", True),
    }  # fmt: skip
    assert [answer.found[0] for answer in found.quotas] == [
        Quota("on-demand", "L-417A185B", 1152.0, 192, 768), Quota("spot", "L-C4BD4855", 1152.0, 192, 768),
    ]  # fmt: skip


def test_of_an_ultraserver_its_members_and_no_quota() -> None:
    told = Told()
    need = Need("u-p6e-gb200x72", 2, 7, "p6e-gb200.36xlarge", 18, 2592, ("capacity-block",), NOW)
    look(told, need, "us-east-1")  # type: ignore[arg-type]
    assert told.asked == [
        ("zones", "p6e-gb200.36xlarge"), ("blocks", "u-p6e-gb200x72", 2, 7, NOW),
        ("reservations", "p6e-gb200.36xlarge"),
    ]  # fmt: skip
