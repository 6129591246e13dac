"""NVIDIA's XIDs by what has to be done about them.

Source: NVIDIA, "Analyzing Xid Errors with the Xid Catalog", column "Resolution Bucket (Immediate Action)", Ampere and
newer (docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, read 2026-11). A bucket of the catalog decides the
class; where the class is a judgement it says "assumed".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FATAL, NVLINK, MEMORY, APPLICATION, FOLLOWS = "fatal", "nvlink", "memory", "application", "follows"


@dataclass(frozen=True, slots=True)
class Xid:
    """One XID."""

    code: int
    words: str
    action: str  # the catalog's bucket, "" where it gives none
    kind: str  # what fmctl makes of it


XIDS: tuple[Xid, ...] = (
    Xid(8, "GPU stopped processing", "RESTART_APP", APPLICATION),
    Xid(11, "invalid stream of commands", "RESTART_APP", APPLICATION),
    Xid(13, "exception of a compute engine", "RESTART_APP", APPLICATION),
    Xid(25, "invalid stream of commands", "RESTART_APP", APPLICATION),
    Xid(31, "page fault of the GPU's memory", "RESTART_APP", APPLICATION),
    Xid(32, "invalid stream of commands", "RESTART_APP", APPLICATION),
    Xid(43, "GPU stopped processing", "IGNORE", FOLLOWS),
    Xid(45, "cleanup after an earlier error", "WORKFLOW_XID_45", FOLLOWS),
    Xid(46, "GPU stopped processing", "RESET_GPU", FATAL),
    Xid(48, "double-bit ECC error", "WORKFLOW_XID_48", FATAL),
    Xid(54, "power cable not connected", "CHECK_MECHANICALS", FATAL),
    Xid(62, "internal micro-controller halted", "RESET_GPU", FATAL),
    Xid(63, "row remapped", "IGNORE", MEMORY),
    Xid(64, "row could not be remapped", "RESET_GPU", FATAL),
    Xid(69, "class error of a compute engine", "RESTART_APP", APPLICATION),
    Xid(74, "NVLink error", "WORKFLOW_NVLINK_ERR", NVLINK),
    Xid(79, "GPU has fallen off the bus", "RESTART_BM", FATAL),
    Xid(92, "many single-bit ECC errors", "IGNORE", MEMORY),
    # assumed: memory, though the catalog restarts the application, because the cause is the GPU's memory.
    Xid(94, "contained memory error", "RESTART_APP", MEMORY),
    Xid(95, "uncontained memory error", "RESET_GPU", FATAL),
    Xid(109, "context switch timed out", "RESET_GPU", FATAL),
    Xid(110, "security fault", "RESET_GPU", FATAL),
    Xid(119, "GSP did not answer", "RESET_GPU", FATAL),
    Xid(120, "GSP error", "RESET_GPU", FATAL),
    Xid(121, "corrected error of the link to the CPU", "IGNORE", FOLLOWS),
    Xid(136, "NVLink training failed", "RESET_GPU", NVLINK),
    # assumed: application, because the catalog calls the cause typically an application's illegal peer access.
    Xid(137, "illegal access to a peer over NVLink", "IGNORE", APPLICATION),
    Xid(140, "ECC error not recovered", "RESET_GPU", FATAL),
    Xid(143, "GPU did not initialise", "RESET_GPU", FATAL),
    *(Xid(code, "NVLink error", "WORKFLOW_NVLINK5_ERR", NVLINK) for code in range(144, 151)),
    Xid(151, "key rotation failed", "RESTART_VM", FATAL),
    Xid(154, "recovery action changed", "XID_154", FOLLOWS),
    Xid(155, "NVLink taken down by software", "RESET_GPU", NVLINK),
    Xid(156, "resource retired", "RESET_GPU", FATAL),
    Xid(157, "resource could not be retired", "IGNORE", MEMORY),
    Xid(158, "fatal timeout of the GPU", "RESET_GPU", FATAL),
    # assumed: fatal, the catalog names no bucket; by its words a timeout and a halt.
    Xid(167, "fatal timeout of PCIe", "", FATAL),
    Xid(169, "internal micro-controller halted", "", FATAL),
    # Copy engines. The catalog restarts the application and has support look at what stays.
    *(
        Xid(code, "error of a copy engine", "RESTART_APP", APPLICATION)
        for code in (70, 71, 72, 75, 76, 77, 85, *range(126, 136))
    ),
    # Only with 48, which alerts.
    Xid(171, "particulars of a DRAM error", "", FOLLOWS),
    Xid(172, "particulars of an SRAM error", "", FOLLOWS),
)
BY_CODE: Mapping[int, Xid] = {xid.code: xid for xid in XIDS}


def codes(kind: str) -> tuple[int, ...]:
    """The XIDs of a class, ascending."""
    return tuple(xid.code for xid in XIDS if xid.kind == kind)
