"""Every option, declared once: its spelling, what it means, and the group it stands under in `--help`.

Values arrive as text and are read by `asked` and `units`, so that all complaints about them read alike.
"""

# No `from __future__ import annotations` here: typer would compile each of these options from its text, 5 ms in all.

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from typer import Argument, Option

from fmctl.cli.choices import CHOICES

Text: TypeAlias = str | None


def _option(group: str, help: str, *flags: str, metavar: str = "TEXT", choices: str = "") -> Any:
    listed = " | ".join(CHOICES[choices]) if choices else ""
    return Option(
        *flags, metavar=metavar, help=f"{help}: {listed}" if listed else help, rich_help_panel=group, show_default=False
    )


def _work(help: str, *flags: str, metavar: str, choices: str = "") -> Any:
    return _option("Training run", help, *flags, metavar=metavar, choices=choices)


def _hardware(help: str, *flags: str, metavar: str, choices: str = "") -> Any:
    return _option("Hardware and price", help, *flags, metavar=metavar, choices=choices)


def _layout(help: str, *flags: str, metavar: str = "N", choices: str = "") -> Any:
    return _option("Layout (one value; plan also takes 2,4,8 or 2..8)", help, *flags, metavar=metavar, choices=choices)


def _search(help: str, *flags: str, metavar: str, choices: str = "") -> Any:
    return _option("Search", help, *flags, metavar=metavar, choices=choices)


def _out(help: str, *flags: str, metavar: str, choices: str = "") -> Any:
    return _option("Output", help, *flags, metavar=metavar, choices=choices)


_EXHAUSTIVE = (
    "Every value of every field; without it fmctl leaves out what cannot win in its model and refines the winners"
)
Calibration: TypeAlias = Annotated[
    Text, _work("Constants to predict with: a name that calibrate kept, or shipped", "--calibration", metavar="NAME")
]
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Asked:
    """What is to be trained, on what, and what is already decided; shared by estimate, explain and plan."""

    instances: Annotated[Text, _hardware("Instance types", "--instances", "--instance", metavar="A,B")] = None
    nodes: Annotated[Text, _hardware("Instances: 8, 8..256 (powers of two) or 8,12,16", "--nodes", metavar="N")] = None
    regions: Annotated[Text, _hardware("Regions to price in", "--regions", "--region", metavar="A,B")] = None
    purchase: Annotated[Text, _hardware("Ways to pay", "--purchase", metavar="A,B", choices="purchase")] = None
    spot_price: Annotated[Text, _hardware("Your rate for Spot, USD an hour", "--spot-price", metavar="USD")] = None
    start: Annotated[Text, _work("First day of the run, a date", "--start", metavar="DATE")] = None
    spares: Annotated[Text, _work("Nodes that stand by for a failed one (0)", "--spares", metavar="N")] = None
    failures: Annotated[
        Text, _work("Interruptions per 1,000 node-days; as published unless said", "--failures", metavar="RATE")
    ] = None
    bytes_per_token: Annotated[
        Text, _work("Stored bytes of training data per token; token ids unless said", "--bytes-per-token", metavar="N")
    ] = None
    tokens: Annotated[Text, _work("Tokens of the whole run, such as 15T", "--tokens", metavar="N")] = None
    seq_len: Annotated[Text, _work("Sequence length", "--seq-len", metavar="N")] = None
    global_batch: Annotated[Text, _work("Sequences per step", "--global-batch", metavar="N")] = None
    framework: Annotated[Text, _work("Framework", "--framework", metavar="NAME", choices="framework")] = None
    calibration: Calibration = None
    precision: Annotated[Text, _layout("Precision", "--precision", metavar="NAME", choices="precision")] = None
    tp: Annotated[Text, _layout("Tensor parallel", "--tp")] = None
    pp: Annotated[Text, _layout("Pipeline stages", "--pp")] = None
    vpp: Annotated[Text, _layout("Model chunks per stage", "--vpp")] = None
    cp: Annotated[Text, _layout("Context parallel", "--cp")] = None
    ep: Annotated[Text, _layout("Expert parallel", "--ep")] = None
    etp: Annotated[Text, _layout("Tensor parallel inside experts", "--etp")] = None
    dp: Annotated[Text, _layout("Data parallel", "--dp")] = None
    dp_replicate: Annotated[Text, _layout("Copies of the sharded state (HSDP)", "--dp-replicate")] = None
    micro_batch: Annotated[Text, _layout("Sequences per micro batch", "--micro-batch")] = None
    sharding: Annotated[Text, _layout("Sharded state", "--sharding", metavar="NAME", choices="sharding")] = None
    recompute: Annotated[Text, _layout("Recomputation", "--recompute", metavar="NAME", choices="recompute")] = None
    recompute_layers: Annotated[
        Text, _layout("Layers per stage that full recomputation covers, 0 for all", "--recompute-layers")
    ] = None
    schedule: Annotated[Text, _layout("Pipeline schedule", "--schedule", metavar="NAME", choices="schedule")] = None
    cp_comm: Annotated[Text, _layout("Exchange of keys", "--cp-comm", metavar="NAME", choices="cp_comm")] = None
    dispatcher: Annotated[Text, _layout("Expert dispatch", "--dispatcher", metavar="NAME", choices="dispatcher")] = None
    sequence_parallel: Annotated[
        bool | None, _layout("Split norms along the sequence", "--sequence-parallel/--no-sequence-parallel")
    ] = None
    cuda_graph: Annotated[Text, _layout("Capture by graphs", "--cuda-graph", metavar="NAME", choices="cuda_graph")] = (
        None
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Search:
    """What plan is to aim at."""

    deadline: Annotated[Text, _search("Latest end, 60d or a date", "--deadline", metavar="WHEN")] = None
    budget: Annotated[Text, _search("Most that the run may cost, 4M", "--budget", metavar="USD")] = None
    objective: Annotated[Text, _search("Rank by", "--objective", metavar="NAME", choices="objective")] = None
    max_nodes: Annotated[Text, _search("Most instances that are looked at", "--max-nodes", metavar="N")] = None
    top: Annotated[Text, _search("Rows to show (10)", "--top", metavar="N")] = None
    save: Annotated[Text, _search("Keep the plan under a name", "--save", metavar="NAME")] = None
    exhaustive: Annotated[bool, Option("--exhaustive", help=_EXHAUSTIVE, rich_help_panel="Search")] = False


Row = Annotated[
    Text, Option("--row", metavar="N", help="Row of a plan (1).", rich_help_panel="Search", show_default=False)
]
