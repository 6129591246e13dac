"""The write-ahead journal of a cluster: what was about to happen is on disk before it happens.

JSON lines, `journals/NAME.jsonl`. An `intent` is durable before the call that creates or deletes; its `outcome` comes
after. An outcome that cannot be written waits for the next record, so that a full disk stops before a call and never
after one. Who comes second finds the journal changed and stops: a broken lock cannot lead two writers on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import overload

from fmctl.base.errors import FmctlError, StalePlan, UnreadableFile
from fmctl.domain.ports import Clock
from fmctl.domain.state import Stored
from fmctl.operate.state import StateStore, save
from fmctl.operate.state.locks import Holder

SCHEMA = "fmctl.journal/1"
BEGIN, ENDED = "begin", "ended"
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])\d{8}(\d{4})(?![0-9A-Za-z])")
_SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|(?i:(?:aws_)?(?:secret(?:_access)?_key|session_token|password|token))[\"']?\s*[=:]\s*[\"']?[^\s\"',}]+"
    r"|\bhf_[A-Za-z0-9]{16,}|\bFwoG[A-Za-z0-9/+=]{20,}"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a cluster's journal."""

    seq: int
    at: datetime
    kind: str  # intent, outcome or note
    action: str
    token: str  # joins an outcome to its intent
    data: Mapping[str, object]
    who: str
    host: str
    pid: int  # 0 where a line does not say


class Journal:
    """The journal of one cluster, read once and added to.

    Args:
        store: where it is.
        name: the cluster.
        clock: times of the records.
        me: who writes.
        unmasked: whether account ids are written in full.
        whatever: go on with the lines that can be read where others cannot; the file as it was is kept beside.

    `repaired` says what was done about lines that were torn or damaged, "" where there were none; `records` is
    everything so far; `damaged` whether a line that may have meant something could not be read.

    Raises:
        UnreadableFile: damaged before its last line, or of a newer format, and not `whatever`.
    """

    def __init__(
        self,
        store: StateStore,
        name: str,
        clock: Clock,
        me: Holder,
        *,
        unmasked: bool = False,
        whatever: bool = False,
    ) -> None:
        self._store, self._clock, self._me = store, clock, me
        self._unmasked, self._whatever = unmasked, whatever
        self._name = name
        self.damaged, self.repaired = False, ""
        self._key = f"journals/{name}.jsonl"
        self.records: list[Record] = []
        self._stored = self._stored_text()
        self._pending: list[str] = []
        self._torn = self._whole = ""
        self._load()

    @property
    def waiting(self) -> int:
        """Records that could not be written yet."""
        return len(self._pending)

    def intent(self, action: str, token: str, data: Mapping[str, object]) -> None:
        """Say durably what comes next.

        Raises:
            UnwritableFile: it cannot be said, so it must not be done.
            StalePlan: somebody else has written meanwhile.
        """
        self._pending.append(self._record("intent", action, token, data))
        try:
            self.flush()
        except FmctlError:
            self._pending.pop()
            self.records.pop()
            raise

    def outcome(self, action: str, token: str, data: Mapping[str, object]) -> None:
        """Say what came of it; where the disk refuses, the next record brings it along."""
        self._pending.append(self._record("outcome", action, token, data))
        self._try()

    def note(self, action: str, data: Mapping[str, object]) -> None:
        """Say something that nothing depends on."""
        self._pending.append(self._record("note", action, "", data))
        self._try()

    def flush(self) -> None:
        """Write what waits. Raises as `intent` does."""
        if self._torn:
            self._repair()
        if not self._pending:
            return
        written = self._store.append(self._key, "".join(self._pending), self._stored)
        if written is None:
            raise StalePlan(
                f"the journal of {self._name} was written by somebody else",
                why="the lock was broken, or another fmctl took over",
                next=f"fmctl status {self._name}",
            )
        self._stored = written
        self._pending.clear()

    def _try(self) -> None:
        try:
            self.flush()
        except StalePlan:
            raise
        except FmctlError:
            return

    def _record(self, kind: str, action: str, token: str, data: Mapping[str, object]) -> str:
        seq = self.records[-1].seq + 1 if self.records else 1
        safe = data if self._unmasked else masked(data)
        made = Record(seq, self._clock.now(), kind, action, token, safe, self._me.who, self._me.host, self._me.pid)
        self.records.append(made)
        return _line(made)

    def _stored_text(self) -> Stored | None:
        try:
            return self._store.read(self._key)
        except FmctlError as error:
            if not self._whatever:
                raise
            self._lost(error)
            return None

    def _lost(self, error: FmctlError) -> None:
        self.damaged = True
        self.repaired = f"{self._key} cannot be read as it is ({error.why or error.what}); what can be read counts"

    def _load(self) -> None:
        if self._stored is None:
            return
        lines = self._stored.text.split("\n")
        last = lines.pop()  # "" where the file ends in a whole line
        for number, line in enumerate(lines, 1):
            where = f"line {number} of {self._key} in {self._store.where}"
            try:
                self.records.append(_parse(line, number, where))
            except FmctlError as error:
                if not self._whatever:
                    raise
                self._lost(error)
                with suppress(FmctlError):  # one that stands where it should not still says what it says
                    self.records.append(_parse(line, None, where))
        if self.damaged:
            self.records = [replace(one, seq=number) for number, one in enumerate(self.records, 1)]
            self._torn, self._whole = self._stored.text, "".join(map(_line, self.records))
        elif last:
            self._torn, self._whole = last, self._stored.text[: len(self._stored.text) - len(last)]
            self.repaired = f"the last line of {self._key} was torn (a write that never finished) and put aside"

    def _repair(self) -> None:
        """Cut off what does not count and keep it beside: a torn line's writer never heard that it did."""
        assert self._stored is not None
        kind = "damaged" if self.damaged else "torn"
        save(self._store, f"{self._key.removesuffix('.jsonl')}.{kind}-{len(self.records)}.txt", self._torn + "\n")
        written = self._store.replace(self._key, self._whole, self._stored.version)
        if written is None:
            raise StalePlan(f"the journal of {self._name} was written by somebody else", next="try again")
        self._stored, self._torn = written, ""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the journal says since the last `ended`."""

    begin: Mapping[str, object] | None  # data of the newest `begin`, None where there is none
    open: frozenset[str]  # actions whose last intent has no outcome, or one that says "unknown"
    last: Mapping[str, Mapping[str, object]]  # newest data of each action that was meant

    def meant(self, action: str) -> bool:
        """Whether the action was ever about to happen in this launch."""
        return action in self.last


def progress(records: Sequence[Record]) -> Progress:
    """Fold the records. A `begin` forgets nothing: what an unfinished launch before it made may still be there."""
    begin: Mapping[str, object] | None = None
    unsettled: dict[str, str] = {}
    last: dict[str, Mapping[str, object]] = {}
    for record in records:
        if record.action == BEGIN:
            begin = record.data
        elif record.action == ENDED:
            begin, last, unsettled = None, {}, {}
        elif record.kind == "intent":
            unsettled[record.action], last[record.action] = record.token, record.data
        elif record.kind == "outcome" and unsettled.get(record.action) == record.token and _settles(record):
            del unsettled[record.action]
    return Progress(begin, frozenset(unsettled), last)


def _settles(record: Record) -> bool:
    return record.data.get("result") != "unknown"


@overload
def masked(found: str) -> str: ...


@overload
def masked(found: Mapping[str, object]) -> Mapping[str, object]: ...


@overload
def masked(found: object) -> object: ...


def masked(found: object) -> object:
    """The same data with account ids masked but for four digits, and without anything that looks like a secret."""
    if isinstance(found, str):
        return _ACCOUNT.sub(r"********\1", _SECRET.sub("[secret]", found))
    if isinstance(found, Mapping):
        return {str(key): masked(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [masked(value) for value in found]
    return found


def unmasked(text: str, account: str) -> str:
    """A text in which an account was masked, as it was before."""
    return text.replace(masked(account), account)


def _line(record: Record) -> str:
    found = {
        "schema": SCHEMA,
        "seq": record.seq,
        "at": record.at.isoformat(timespec="milliseconds"),
        "kind": record.kind,
        "action": record.action,
        "token": record.token,
        "data": record.data,
        "who": record.who,
        "host": record.host,
        "pid": record.pid,
    }
    return json.dumps(found, ensure_ascii=True, allow_nan=False, default=str, separators=(",", ":")) + "\n"


def _parse(line: str, number: int | None, where: str) -> Record:
    from fmctl.documents.cluster import read_line

    found = read_line(line, where)
    if number is not None and found["seq"] != number:
        why = f"its seq is {found['seq']}: lines were lost or doubled"
        raise UnreadableFile(f"{where} is damaged", why=why, next="put the journal aside; `fmctl status` asks AWS")
    return Record(
        found["seq"],
        found["at"],
        found["kind"],
        found["action"],
        token=found.get("token", ""),
        data=found.get("data", {}),
        who=found.get("who", ""),
        host=found.get("host", ""),
        pid=found.get("pid", 0),
    )
