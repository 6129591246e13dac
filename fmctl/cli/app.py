"""The tree of commands. A command's module is imported when it is called, so that `--help` costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

if TYPE_CHECKING:
    from typer._click import Command as ClickCommand
    from typer._click import Context, HelpFormatter
    from typer._click import Parameter as ClickParameter

EPILOG = "Results go to stdout, everything else to stderr. `fmctl COMMAND --help` says more."
_SETTINGS: dict[str, object] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Entry:
    """One command, or a group of them: what it does in one line, and `module:function`."""

    help: str
    target: str = ""
    children: Mapping[str, Entry] | None = None


COMMANDS: Mapping[str, Entry] = {
    "estimate": Entry("One layout: memory, step time, network, checkpoint, cost, energy.", "planning:estimate"),
    "plan": Entry("Search layouts, instance types and node counts, and rank them.", "planning:plan"),
    "explain": Entry("Where the time, the memory and the money go.", "comparing:explain"),
    "diff": Entry("Two plans or estimates, field by field.", "comparing:diff"),
    "render": Entry("A plan as ParallelCluster configuration and Slurm job.", "rendering:render"),
    "policy": Entry(
        "Who may do what with a plan's cluster, as IAM policies.",
        children={
            "operator": Entry("Whoever runs fmctl for it.", "policies:policy_operator"),
            "end": Entry("The role that deletes it at its end.", "policies:policy_end"),
            "head": Entry("Its head node.", "policies:policy_head"),
            "compute": Entry("Its compute nodes.", "policies:policy_compute"),
        },
    ),
    "observe": Entry(
        "What a running cluster is watched by.",
        children={
            "render": Entry("A plan as Prometheus alerts and a Grafana dashboard.", "observing:observe_render"),
            "export": Entry("A run's own metrics, for Prometheus to scrape.", "exporting:observe_export"),
        },
    ),
    "validate": Entry("Predict measured runs and print the errors.", "validating:validate"),
    "calibrate": Entry("Fit the constants again, on your own runs too.", "calibrating:calibrate"),
    "models": Entry(
        "Model architectures.",
        children={
            "list": Entry("All presets.", "catalogue:models_list"),
            "show": Entry("One architecture.", "catalogue:models_show"),
            "import": Entry("A Hugging Face config.json as a model file.", "catalogue:models_import"),
        },
    ),
    "instances": Entry(
        "Instance types and UltraServers.",
        children={
            "list": Entry("All types.", "catalogue:instances_list"),
            "show": Entry("One type, with its prices.", "catalogue:instances_show"),
        },
    ),
    "prices": Entry(
        "Dated prices.",
        children={
            "list": Entry("Prices of instances and storage.", "catalogue:prices_list"),
            "show": Entry("Prices of one instance type.", "catalogue:prices_show"),
            "refresh": Entry("Ask AWS for today's prices, and keep them.", "market:prices_refresh"),
        },
    ),
    "capacity": Entry("What capacity AWS has now, and at what fee.", "market:capacity"),
    "lab": Entry(
        "A local AWS to rehearse on, without an account.",
        children={
            "start": Entry("Start it.", "lab:lab_start"),
            "stop": Entry("Stop it; everything in it is gone.", "lab:lab_stop"),
            "status": Entry("Whether one runs, where, and what it holds.", "lab:lab_status"),
        },
    ),
    "pcluster": Entry(
        "AWS ParallelCluster itself.",
        children={
            "install": Entry("Install a version into an environment of its own.", "pclusters:pcluster_install"),
            "status": Entry("Which versions there are, with which node.js.", "pclusters:pcluster_status"),
        },
    ),
    "preflight": Entry("Look at everything a launch relies on.", "operations:preflight"),
    "launch": Entry("Make a plan's cluster, with an end.", "operations:launch"),
    "status": Entry("What AWS has of a cluster.", "clusters:status"),
    "watch": Entry("Follow a cluster.", "clusters:watch"),
    "logs": Entry("Lines of a cluster's logs.", "clusters:logs"),
    "submit": Entry("Hand a plan's job to its cluster.", "jobs:submit"),
    "progress": Entry("A job's log against its plan.", "progress:progress"),
    "jobs": Entry("Jobs, and why they wait.", "jobs:jobs"),
    "cancel": Entry("End a job.", "jobs:cancel"),
    "extend": Entry("Move a cluster's end.", "clusters:extend"),
    "teardown": Entry("Remove a cluster.", "clusters:teardown"),
    "history": Entry("What was launched and run, and at what cost.", "clusters:history"),
    "report": Entry("All that is on record of a run.", "runs:report"),
    "note": Entry("Add quality figures or words to a run.", "runs:note"),
    "ui": Entry("The full-screen session.", "ui:ui"),
    "config": Entry(
        "Settings, each with where its value came from.",
        children={
            "list": Entry("All settings.", "settings:config_list"),
            "get": Entry("One setting.", "settings:config_get"),
            "set": Entry("Write a setting.", "settings:config_set"),
            "unset": Entry("Remove a setting.", "settings:config_unset"),
            "path": Entry("The files that settings and plans are in.", "settings:config_path"),
        },
    ),
    "schema": Entry("JSON Schema of a document.", "meta:schema"),
    "spec": Entry("The whole command line as JSON.", "meta:spec"),
    "completion": Entry("Completion script for a shell.", "meta:completion"),
}


class Command(TyperCommand):
    """A command whose options stand under the titles of their groups."""

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write arguments, then each group of options, the ungrouped ones last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(group_of(param), []).append(record)
        for title in sorted(sections, key=lambda t: (t == "Options", t == "Output")):
            with formatter.section(title):
                formatter.write_dl(sections[title])


class Group(TyperGroup):
    """A group that knows its commands by their entries and loads one only to run it."""

    def __init__(
        self,
        name: str | None,
        entries: Mapping[str, Entry],
        *,
        help: str | None = None,
        params: list[ClickParameter] | None = None,
        epilog: str | None = None,
        context_settings: dict[str, object] | None = None,
    ) -> None:
        super().__init__(
            name=name, rich_markup_mode=None, suggest_commands=False,
            help=help, params=params, epilog=epilog, context_settings=context_settings,
        )  # fmt: skip
        self.entries = entries

    def list_commands(self, ctx: Context) -> list[str]:
        """Names in the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: Context, cmd_name: str) -> ClickCommand | None:
        """The command of that name, loaded now, or None."""
        entry = self.entries.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write names and one line each without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])


def build() -> Group:
    """The whole command line."""
    version = typer.core.TyperOption(
        param_decls=["--version"], is_flag=True, default=False, is_eager=True, expose_value=False,
        callback=_print_version, help="Show the version and exit.",
    )  # fmt: skip
    help_text = "Plan, price and run foundation-model training on AWS."
    return Group("fmctl", COMMANDS, params=[version], help=help_text, epilog=EPILOG, context_settings=_SETTINGS)


def load(name: str, entry: Entry) -> ClickCommand:
    """The command or group behind an entry."""
    if entry.children is not None:
        return Group(name, entry.children, help=entry.help)
    module, _, function = entry.target.partition(":")
    return command_of(name, getattr(import_module(f"fmctl.cli.{module}"), function), entry.help)


def command_of(name: str, function: Callable[..., object], short_help: str) -> ClickCommand:
    """A function with its option groups expanded, as a command."""
    from fmctl.cli.expand import expand

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name, cls=Command, short_help=short_help)(expand(function))
    return get_command(app)


def group_of(param: ClickParameter) -> str:
    """The title that a parameter stands under."""
    if param.param_type_name == "argument":
        return "Arguments"
    return str(getattr(param, "rich_help_panel", None) or "Options")


def _print_version(ctx: Context, param: ClickParameter, value: bool) -> None:
    if value:
        from fmctl import __version__
        from fmctl.cli.streams import write_stdout

        write_stdout(f"fmctl {__version__}\n")
        raise typer.Exit
