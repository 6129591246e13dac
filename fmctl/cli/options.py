"""Every option, declared once: its spelling, what it means, and the group it stands under in `--help`.

Values arrive as text and are read by `usecases.requests` and `base.units`, so that all complaints about them read
alike.
"""

# No `from __future__ import annotations` here: typer would compile each of these options from its text, 5 ms in all.

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from typer import Argument, Option

from fmctl.cli.panels import under
from fmctl.usecases.choices import CHOICES
from fmctl.usecases.options import Asked, Search, Text

if TYPE_CHECKING:
    from typer.models import OptionInfo


def _option(group: str, help: str, *flags: str, metavar: str = "TEXT", choices: str = "") -> "OptionInfo":
    listed = " | ".join(CHOICES[choices]) if choices else ""
    return under(group, f"{help}: {listed}" if listed else help, *flags, metavar=metavar)


def _work(help: str, *flags: str, metavar: str, choices: str = "") -> "OptionInfo":
    return _option("Training run", help, *flags, metavar=metavar, choices=choices)


def _hardware(help: str, *flags: str, metavar: str, choices: str = "") -> "OptionInfo":
    return _option("Hardware and price", help, *flags, metavar=metavar, choices=choices)


def _layout(help: str, *flags: str, metavar: str = "N", choices: str = "") -> "OptionInfo":
    return _option("Layout (one value; plan also takes 2,4,8 or 2..8)", help, *flags, metavar=metavar, choices=choices)


def _search(help: str, *flags: str, metavar: str, choices: str = "") -> "OptionInfo":
    return _option("Search", help, *flags, metavar=metavar, choices=choices)


def _out(help: str, *flags: str, metavar: str, choices: str = "") -> "OptionInfo":
    return _option("Output", help, *flags, metavar=metavar, choices=choices)


_EXHAUSTIVE = (
    "Every value of every field; without it fmctl leaves out what cannot win in its model and refines the winners"
)
_CALIBRATION = _work(
    "Constants to predict with: a name that calibrate kept, or shipped", "--calibration", metavar="NAME"
)
Calibration: TypeAlias = Annotated[Text, _CALIBRATION]
ModelName = Annotated[
    str, Argument(metavar="MODEL", help="Preset name, YAML file, or Hugging Face config.json.", show_default=False)
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Output:
    """Where the answer goes and how it looks."""

    output: Annotated[Text, _out("Format", "--output", "-o", metavar="FORMAT", choices="output")] = None
    json: Annotated[bool, Option("--json", help="Short for -o json.", rich_help_panel="Output")] = False
    query: Annotated[Text, _out("JMESPath into the document", "--query", metavar="EXPR")] = None
    fields: Annotated[Text, _out("Only these fields of each row", "--fields", metavar="A,B")] = None
    out: Annotated[Text, _out("Write to a file, whole or not at all", "--out", "-O", metavar="FILE")] = None
    no_color: Annotated[bool, Option("--no-color", help="No colour.", rich_help_panel="Output")] = False
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress, no warnings.", rich_help_panel="Output")] = False


AskedOptions: TypeAlias = Annotated[
    Asked,
    {
        "instances": _hardware("Instance types", "--instances", "--instance", metavar="A,B"),
        "nodes": _hardware("Instances: 8, 8..256 (powers of two) or 8,12,16", "--nodes", metavar="N"),
        "regions": _hardware("Regions to price in", "--regions", "--region", metavar="A,B"),
        "purchase": _hardware("Ways to pay", "--purchase", metavar="A,B", choices="purchase"),
        "spot_price": _hardware("Your rate for Spot, USD an hour", "--spot-price", metavar="USD"),
        "start": _work("First day of the run, a date", "--start", metavar="DATE"),
        "spares": _work("Nodes that stand by for a failed one (0)", "--spares", metavar="N"),
        "failures": _work("Interruptions per 1,000 node-days; as published unless said", "--failures", metavar="RATE"),
        "bytes_per_token": _work(
            "Stored bytes of training data per token; token ids unless said", "--bytes-per-token", metavar="N"
        ),
        "tokens": _work("Tokens of the whole run, such as 15T", "--tokens", metavar="N"),
        "seq_len": _work("Sequence length", "--seq-len", metavar="N"),
        "global_batch": _work("Sequences per step", "--global-batch", metavar="N"),
        "framework": _work("Framework", "--framework", metavar="NAME", choices="framework"),
        "calibration": _CALIBRATION,
        "precision": _layout("Precision", "--precision", metavar="NAME", choices="precision"),
        "tp": _layout("Tensor parallel", "--tp"),
        "pp": _layout("Pipeline stages", "--pp"),
        "vpp": _layout("Model chunks per stage", "--vpp"),
        "cp": _layout("Context parallel", "--cp"),
        "ep": _layout("Expert parallel", "--ep"),
        "etp": _layout("Tensor parallel inside experts", "--etp"),
        "dp": _layout("Data parallel", "--dp"),
        "dp_replicate": _layout("Copies of the sharded state (HSDP)", "--dp-replicate"),
        "micro_batch": _layout("Sequences per micro batch", "--micro-batch"),
        "sharding": _layout("Sharded state", "--sharding", metavar="NAME", choices="sharding"),
        "recompute": _layout("Recomputation", "--recompute", metavar="NAME", choices="recompute"),
        "recompute_layers": _layout("Layers per stage that full recomputation covers, 0 for all", "--recompute-layers"),
        "schedule": _layout("Pipeline schedule", "--schedule", metavar="NAME", choices="schedule"),
        "cp_comm": _layout("Exchange of keys", "--cp-comm", metavar="NAME", choices="cp_comm"),
        "dispatcher": _layout("Expert dispatch", "--dispatcher", metavar="NAME", choices="dispatcher"),
        "sequence_parallel": _layout("Split norms along the sequence", "--sequence-parallel/--no-sequence-parallel"),
        "cuda_graph": _layout("Capture by graphs", "--cuda-graph", metavar="NAME", choices="cuda_graph"),
    },
]


SearchOptions: TypeAlias = Annotated[
    Search,
    {
        "deadline": _search("Latest end, 60d or a date", "--deadline", metavar="WHEN"),
        "budget": _search("Most that the run may cost, 4M", "--budget", metavar="USD"),
        "objective": _search("Rank by", "--objective", metavar="NAME", choices="objective"),
        "max_nodes": _search("Most instances that are looked at", "--max-nodes", metavar="N"),
        "top": _search("Rows to show (10)", "--top", metavar="N"),
        "save": _search("Keep the plan under a name", "--save", metavar="NAME"),
        "exhaustive": Option("--exhaustive", help=_EXHAUSTIVE, rich_help_panel="Search"),
    },
]


def row_option(group: str, help: str = "Row of the plan (1)") -> "OptionInfo":
    """Row N of a plan: one spelling, wherever a command takes it."""
    return _option(group, help, "--row", metavar="N")


Row = Annotated[Text, row_option("Search", "Row of a plan (1).")]
