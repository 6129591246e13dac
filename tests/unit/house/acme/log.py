"""Acme writes `acme 10 took 3.5 s loss 2.1`."""

from __future__ import annotations

import re

from fmctl.domain.logged import Job, Record
from fmctl.frameworks.log import Log, Read, Where, number, positive

_STEP = re.compile(r"acme (\d{1,12}) took (\S+) s loss (\S+)")


def _steps(line: str, job: Job, where: Where) -> Read:
    for found in _STEP.finditer(line):
        step_s = positive(found.group(2))
        yield (
            Record(int(found.group(1)), where[0], step_s=step_s, loss=number(found.group(3)), source=where[2]),
            job.total_steps,
        )


LOG = Log(
    steps=((b"acme ", _steps),),
    events=(("saving", r"acme saves (?P<step>\d{1,12})"),),
    markers=(b"acme saves",),
    memory="allocated",
)
