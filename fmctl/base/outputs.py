"""The formats that answers are printed in: one line each, a name and the `module:object` that writes it.

A new format is a `fmctl.report.formats.Format` and a line here; options, settings and completion read the names, and
only what prints imports the writer.
"""

from __future__ import annotations

from collections.abc import Mapping

OUTPUTS: Mapping[str, str] = {
    "table": "fmctl.report.formats:TABLE",
    "json": "fmctl.report.formats:JSON",
    "jsonl": "fmctl.report.formats:JSONL",
    "csv": "fmctl.report.formats:CSV",
    "md": "fmctl.report.formats:MARKDOWN",
    "html": "fmctl.report.formats:HTML",
    "yaml": "fmctl.report.formats:YAML",
}
