"""A plan as files, whatever it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rendering:
    """The files by name, and what whoever uses them should know."""

    files: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    cluster_file: str = ""  # the one that the target is handed; the others are the job's
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # fmctl's own, as that file has them

    @property
    def config(self) -> str:
        """What the target is handed; "" where it makes nothing."""
        return self.files.get(self.cluster_file, "")

    @property
    def job_files(self) -> Mapping[str, str]:
        """The files of the job."""
        return {name: text for name, text in self.files.items() if name != self.cluster_file}

    @property
    def digest(self) -> str:
        """SHA-256 over names, lengths and texts: the same files, the same digest."""
        found = sha256()
        for name, text in sorted(self.files.items()):
            content = text.encode()
            found.update(f"{name}\0{len(content)}\0".encode() + content)
        return "sha256:" + found.hexdigest()
