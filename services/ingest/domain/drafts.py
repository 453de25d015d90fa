"""Reports while they are read: row by row, each fault with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, field

from libs.common.problems import Fault, Text
from services.ingest.domain.forms import findings
from services.ingest.domain.reports import Report, Row, Source, fault, faults_of_row


@dataclass(slots=True)
class Read:
    """Reports and faults as a JSON body has them, and where in the file each is."""

    reports: list[Report] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def placed(self, found: Fault) -> Fault:
        """The same fault with its pointer into the file."""
        pointer = found.pointer
        while pointer and pointer not in self.places:
            pointer = pointer.rpartition("/")[0]
        where = self.places.get(pointer, found.pointer)
        return Fault(where, found.code, found.message)


@dataclass(slots=True)
class Draft:
    """One unit's report while its rows are read."""

    index: int
    unit: str | None
    period: str | None
    rows: list[Row] = field(default_factory=list)
    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    count: int = 0
    sound: bool = True


class Drafts:
    """The reports of one file, by whose they are and for which period."""

    def __init__(self) -> None:
        self.read = Read()
        self._drafts: dict[tuple[object, ...], Draft] = {}

    def get(self, key: tuple[object, ...]) -> Draft | None:
        """The report that was begun under this key."""
        return self._drafts.get(key)

    def begin(self, key: tuple[object, ...], unit: str, period: str) -> Draft:
        """A new report."""
        self._drafts[key] = Draft(len(self._drafts), unit, period)
        return self._drafts[key]

    def nobodys(self, member: str, code: str, message: Text, where: str) -> Draft:
        """A row of which nobody knows whose it is, or when; it only carries faults."""
        index = len(self._drafts)
        draft = self._drafts[(index,)] = Draft(index, None, None)
        self.wrong(draft, member, code, message, where)
        return draft

    def wrong(
        self, draft: Draft, member: str, code: str, message: Text, where: str
    ) -> None:
        """Note a fault in a report, and where in the file it is."""
        draft.sound = False
        found = fault(draft.index, member, code, message)
        self.read.places[found.pointer] = where
        self.read.faults.append(found)

    def keep(self, draft: Draft, row: Row, number: int, where: str) -> None:
        """Add a row to its report, unless the same stands there or it contradicts."""
        earlier = draft.cells.setdefault(row.cell, where)
        member = f"/figures/{number}"
        if earlier != where:
            self.wrong(draft, member, "duplicate_row", _twice(earlier), where)
            return
        for name, code, message in faults_of_row(row):
            step = f"{member}/{name}" if name else member
            draft.sound = False
            self.read.faults.append(fault(draft.index, step, code, message))
        draft.rows.append(row)

    def finished(self, source: Source, *, form: str | None, reason: str | None) -> Read:
        """Everything that was read, with the reports in which nothing is wrong."""
        for draft in self._drafts.values():
            if draft.sound and draft.rows and draft.unit and draft.period:
                rows = tuple(draft.rows)
                self._add(
                    Report(
                        draft.index,
                        draft.unit,
                        draft.period,
                        rows,
                        source,
                        form,
                        reason,
                    )
                )
        return self.read

    def _add(self, report: Report) -> None:
        found = list(findings(report))
        wrong = [tell() for severity, tell in found if severity == "error"]
        self.read.faults += wrong
        if not wrong:
            self.read.reports.append(report)
            self.read.warnings += [tell() for _, tell in found]


def _twice(earlier: str) -> Text:
    return Text(
        f"Đơn vị này đã có số liệu cùng loại ở {earlier}.",
        f"The same figures of this unit stand at {earlier} already.",
    )
