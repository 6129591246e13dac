"""From options as they were typed to a `PlanRequest`: values read, checked, and defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import PriceUnknown, UnknownName, UsageError, shorten
from fmctl.base.units import parse_count, parse_deadline, parse_list, parse_nodes, parse_number, parse_usd
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import CODES
from fmctl.domain.model import ModelArch
from fmctl.domain.result import PlanRequest
from fmctl.usecases.calibration import chosen
from fmctl.usecases.choices import CHOICES, FRAMEWORKS
from fmctl.usecases.options import Asked, Search
from fmctl.usecases.prices import choose_offers, choose_prices
from fmctl.usecases.services import Services
from fmctl.usecases.support import able, check_framework

if TYPE_CHECKING:
    from fmctl.domain.offer import Offer
    from fmctl.domain.run import RunRequest

PLAN_INSTANCES = ("p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge")
ESTIMATE_INSTANCES = ("p5.48xlarge",)
_DEFAULT_SEQ_LEN = 8192
_LONGEST_SEQ_LEN = 2**27
_MOST_NODES = 2**17
_MOST_UNASKED = 1024
_MOST_BATCH = 2**32
_MOST_TOKENS = 10**18
_MOST_PARALLEL = 2**20
_MOST_ROWS = 10_000
_COUNTED = (
    "tp", "pp", "vpp", "cp", "ep", "etp", "dp", "dp_replicate", "micro_batch", "recompute_layers",
)  # fmt: skip
_SWITCHES = ("sequence_parallel",)


def plan_request(model: str, asked: Asked, aim: Search, settings: Settings, services: Services) -> PlanRequest:
    """What `plan` searches for."""
    arch = services.catalogue.load_model(model)
    fixed = _fixed(asked, settings, many=True)
    named = _instances(asked, settings, settings.texts("instances") or PLAN_INSTANCES, services)
    instances, left_out = able(named, fixed)
    if asked.nodes is None:
        counts = sorted({n for instance in instances for n in services.planner.default_nodes(arch, instance)})
    else:
        counts = list(node_counts(asked.nodes))
    most = None if aim.max_nodes is None else parse_count(aim.max_nodes, what="--max-nodes")
    if most is None and asked.nodes is None and aim.deadline is not None:
        most = _MOST_UNASKED  # a deadline may need more than what fits the model best
    if most is not None:
        counts = _up_to(counts, at_most(most, _MOST_NODES, "--max-nodes"))
    common, unsold = _common(arch, asked, settings, services, instances, sold=True)
    left_out |= unsold
    start = _start(asked, services)
    check_framework(services.planner.framework(common.framework), fixed)
    _needs_tokens(asked, aim)
    if aim.budget is not None:
        kept, unpriced = _priced(common)
        common, left_out = replace(common, instances=kept), left_out | unpriced
    options = {"left_out": left_out} if left_out else {}
    return replace(
        common,
        options={**common.options, **options, **({"exhaustive": True} if aim.exhaustive else {})},
        node_counts=tuple(counts),
        fixed=fixed,
        deadline_s=None if aim.deadline is None else _deadline_s(aim.deadline, start),
        budget_usd=None if aim.budget is None else parse_usd(aim.budget, what="--budget"),
        objective=_one_of("objective", _first(aim.objective, settings.text("objective"))),
        top=10 if aim.top is None else at_most(parse_count(aim.top, what="--top"), _MOST_ROWS, "--top"),
        tp_within_domain="tp" not in fixed,
    )


def estimate_request(model: str, asked: Asked, settings: Settings, services: Services) -> PlanRequest:
    """What `estimate` and `explain` evaluate: one instance type, one value per field, one node count or none stated."""
    arch = services.catalogue.load_model(model)
    instances = _instances(asked, settings, settings.texts("instances")[:1] or ESTIMATE_INSTANCES, services)
    _only_one("--instance", [instance.name for instance in instances])
    fixed = _fixed(asked, settings, many=False)
    counts = () if asked.nodes is None else node_counts(asked.nodes)
    if asked.nodes is not None:
        _only_one("--nodes", [str(n) for n in counts])
    common, _ = _common(arch, asked, settings, services, able(instances, fixed)[0])
    check_framework(services.planner.framework(common.framework), fixed)
    return replace(
        common,
        node_counts=counts,
        fixed=fixed,
        objective=_one_of("objective", _first(settings.text("objective"))),
        top=1,
        tp_within_domain="tp" not in fixed,
    )


def node_counts(text: str, what: str = "--nodes") -> tuple[int, ...]:
    """`8` and `8,12,16` as they are; `8..100` as both ends and every power of two between them."""
    found = parse_nodes(text, what=what)
    at_most(found.highest, _MOST_NODES, what)
    if found.listed:
        return tuple(dict.fromkeys(found.listed))
    powers = (2**k for k in range(_MOST_NODES.bit_length()))
    return tuple(sorted({found.lowest, found.highest, *(p for p in powers if found.lowest < p < found.highest)}))


def at_most(value: int, most: int, what: str) -> int:
    """The value unless it is beyond anything that exists. Raises UsageError."""
    if value > most:
        raise UsageError(f"{what} {shorten(str(value))} is too large", why=f"the most is {most:,}")
    return value


def _common(
    arch: ModelArch,
    asked: Asked,
    settings: Settings,
    services: Services,
    instances: Sequence[Instance],
    sold: bool = False,
) -> tuple[PlanRequest, dict[str, str]]:
    """What both requests share, and the types that are left out because they cannot be bought as was asked.

    sold: leave out what is not sold there, whether a whole run is asked for or not.
    """
    constants = chosen(asked.calibration, settings)
    tokens = float(_count(asked.tokens, "--tokens", _MOST_TOKENS) or 0)
    start = _start(asked, services)
    offers: dict[str, tuple[Offer, ...]] = {}
    unsold: dict[str, str] = {}
    if tokens or sold:
        offers, unsold = choose_offers(asked, settings, services, instances, start.date())
        instances = [instance for instance in instances if instance.name in offers]
    prices, options = choose_prices(asked, settings, services, instances)
    common = PlanRequest(
        arch=arch,
        seq_len=_seq_len(arch, asked.seq_len),
        instances=tuple(instances),
        prices=prices,
        framework=_framework(asked, settings),
        global_batch=_count(asked.global_batch, "--global-batch", _MOST_BATCH),
        tokens=tokens,
        offers=offers,
        run=_run(asked, settings, start) if tokens else None,
        options=options | {"defaulted": _defaulted(asked)},
        calibration=None if constants is None else constants.calibration,
        frameworks=None if constants is None else constants.frameworks,
        node_counts=(),
    )
    return common, unsold


def _run(asked: Asked, settings: Settings, start: datetime) -> RunRequest:
    from fmctl.domain import run

    rate = None if asked.failures is None else parse_number(asked.failures, what="--failures", zero=True)
    spares = 0 if asked.spares is None else parse_count(asked.spares, what="--spares", zero=True)
    return run.RunRequest(
        start,
        per_1000_node_days=rate,
        spares=at_most(spares, run.MOST_SPARES, "--spares"),
        bytes_per_token=_bytes_per_token(asked),
        pue=settings.number("power_usage_effectiveness"),
        g_per_kwh=settings.number("carbon_g_per_kwh"),
    )


def _bytes_per_token(asked: Asked) -> float | None:
    return None if asked.bytes_per_token is None else parse_number(asked.bytes_per_token, what="--bytes-per-token")


def _start(asked: Asked, services: Services) -> datetime:
    """When training may begin: now, or the day that was named. Raises UsageError where that is over."""
    now = services.now()
    if asked.start is None:
        return now
    day = parse_deadline(asked.start, what="--start")
    if not isinstance(day, date):
        return now + timedelta(seconds=day)
    if day < now.date():
        raise UsageError(f"--start {asked.start} is over", why=f"today is {now.date()}", next=f"--start {now.date()}")
    return max(datetime.combine(day, time(), tzinfo=UTC), now)


def _up_to(counts: Sequence[int], most: int) -> list[int]:
    """Counts up to the most; powers of two go on to it where they stop before."""
    found = {n for n in counts if n <= most}
    n = max(found, default=1)
    while n * 2 <= most:
        n *= 2
        found.add(n)
    return sorted(found or {most})


def _defaulted(asked: Asked) -> list[str]:
    """What of the hardware and the run nobody stated, so that the answer can say what was chosen."""
    return [n for n in ("instances", "nodes", "regions", "purchase", "seq_len") if getattr(asked, n) is None]


def _needs_tokens(asked: Asked, aim: Search) -> None:
    """A deadline or a budget says nothing about a run of unknown length."""
    for option, text in (("--deadline", aim.deadline), ("--budget", aim.budget)):
        if text is not None and asked.tokens is None:
            raise UsageError(
                f"{option} needs --tokens", why="it holds for the whole run", next=f"{option} {text} --tokens 15T"
            )


def _priced(common: PlanRequest) -> tuple[tuple[Instance, ...], dict[str, str]]:
    """Only the types whose price is known: nobody can say whether the others keep to a budget."""
    known = {name for name, ways in common.offers.items() if any(way.usd_per_h is not None for way in ways)}
    kept = tuple(i for i in common.instances if i.name in known)
    if not kept:
        raise PriceUnknown(
            "--budget needs a price that is known", why="none is known for these types", next="fmctl prices list"
        )
    return kept, {i.name: f"the price of {i.name} is not known" for i in common.instances if i not in kept}


def _seq_len(arch: ModelArch, text: str | None) -> int:
    if text is None:
        return min(_DEFAULT_SEQ_LEN, arch.max_seq) if arch.max_seq else _DEFAULT_SEQ_LEN
    return at_most(parse_count(text, what="--seq-len"), _LONGEST_SEQ_LEN, "--seq-len")


def _count(text: str | None, what: str, most: int) -> int | None:
    return None if text is None else at_most(parse_count(text, what=what), most, what)


def _instances(asked: Asked, settings: Settings, default: Sequence[str], services: Services) -> list[Instance]:
    names = parse_list(asked.instances, what="--instances") if asked.instances is not None else list(default)
    found = [services.catalogue.load_instance(name) for name in names]
    for instance in found:
        if not instance.plannable:
            why, listed = instance.unplannable, "fmctl instances list"
            raise UsageError(f"no plan can be made for {instance.name}", why=why, next=listed)
    return list({instance.name: instance for instance in found}.values())


def _framework(asked: Asked, settings: Settings) -> str:
    name = _first(asked.framework, settings.text("framework"))
    if name.lower() not in FRAMEWORKS:
        raise UnknownName("framework", name, FRAMEWORKS, next=f"--framework {FRAMEWORKS[0]}")
    return name.lower()


def _fixed(asked: Asked, settings: Settings, *, many: bool) -> Mapping[str, tuple[int, ...]]:
    """The allowed values of every layout field that was stated, here or in a settings file."""
    found: dict[str, tuple[int, ...]] = {}
    for name in (*_COUNTED, *CODES):
        text = getattr(asked, name)
        if text is None:
            continue
        option = "--" + name.replace("_", "-")
        values = _codes(name, text, option) if name in CODES else _values(text, option, zero=name == "recompute_layers")
        if not many:
            _only_one(option, [str(v) for v in values])
        found[name] = values
    if "precision" not in found and settings["precision"].origin != "default":
        found["precision"] = _codes("precision", settings.text("precision") or "", "precision")
    found |= {name: (int(flag),) for name in _SWITCHES if (flag := getattr(asked, name)) is not None}
    return found


def _values(text: str, option: str, *, zero: bool) -> tuple[int, ...]:
    if ".." in text:
        return node_counts(text, option)
    parts = parse_list(text, what=option)
    return tuple(at_most(parse_count(part, what=option, zero=zero), _MOST_PARALLEL, option) for part in parts)


def _codes(name: str, text: str, option: str) -> tuple[int, ...]:
    return tuple(int(CODES[name].parse(_one_of(name, part, option))) for part in parse_list(text, what=option))


def _first(*texts: str | None) -> str:
    """The first that was given, be it empty: an empty option is a mistake, not a wish for the default."""
    return next((text for text in texts if text is not None), "")


def _one_of(name: str, text: str, option: str = "") -> str:
    word = text.strip().lower()
    if word not in CHOICES[name]:
        raise UnknownName(
            name.replace("_", " "), text, CHOICES[name], next=f"{option or '--' + name} {' | '.join(CHOICES[name])}"
        )
    return word


def _only_one(option: str, values: Sequence[str]) -> None:
    if len(values) != 1:
        raise UsageError(
            f"{option} takes one value here, not {len(values)}",
            why="estimate and explain look at one layout on one instance type and count",
            next="fmctl plan searches over several",
        )


def _deadline_s(text: str, now: datetime) -> float:
    when = parse_deadline(text, what="--deadline")
    if not isinstance(when, date):
        return when
    left_s = (datetime.combine(when, time(), tzinfo=UTC) - now).total_seconds()
    if left_s <= 0:
        raise UsageError(f"--deadline {text} is over", why=f"today is {now.date()}", next="--deadline 60d")
    return left_s
