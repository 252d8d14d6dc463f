"""What was changed, so that it can be undone and done again: steps without limit, each of one or more changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gpt_tui.editing.authorship import Runs, tidy

Selected = tuple[int, int]
"""The selection: where it was begun, and the cursor."""


@dataclass(slots=True, eq=False)
class Change:
    """At `start`, `removed` gave way to `inserted`, with who wrote both. Equal texts: only the authors changed."""

    start: int
    removed: str
    inserted: str
    removed_runs: Runs
    inserted_runs: Runs

    @property
    def end(self) -> int:
        """Where what it put in ends."""
        return self.start + len(self.inserted)

    @property
    def grows(self) -> int:
        return len(self.inserted) - len(self.removed)

    def back(self) -> Change:
        """The change that undoes this one."""
        return Change(self.start, self.inserted, self.removed, self.inserted_runs, self.removed_runs)

    def extend(self, text: str, runs: Runs) -> None:
        """Make what it inserted longer."""
        self.inserted += text
        self.inserted_runs = tidy([*self.inserted_runs, *runs])


@dataclass(slots=True, eq=False)
class Step:
    """What is undone in one stroke."""

    kind: str
    before: Selected
    """What was selected before it, counted from the start of its first change: others may have moved that."""
    changes: list[Change] = field(default_factory=list)
    closed: bool = False
    """Whether nothing is added to it any more."""

    def record(self, change: Change) -> None:
        """Add a change; what is typed behind what was typed makes one change longer."""
        last = self.changes[-1] if self.changes else None
        goes_on = last and last.inserted and last.inserted != last.removed and change.start == last.end
        if last and goes_on and not change.removed:
            last.extend(change.inserted, change.inserted_runs)
        else:
            self.changes.append(change)

    def last_text_change(self) -> Change | None:
        """The last of its changes that changed more than the authors."""
        return next((change for change in reversed(self.changes) if change.removed != change.inserted), None)

    def selected_before(self) -> Selected:
        """What to select when it is undone."""
        base = self.changes[0].start
        return self.before[0] + base, self.before[1] + base

    def selected_after(self) -> Selected:
        """What to select when it is done again."""
        change = self.last_text_change() or self.changes[-1]
        return change.end, change.end


class History:
    """The steps that can be undone, and those that can be done again."""

    def __init__(self) -> None:
        self.done: list[Step] = []
        self.undone: list[Step] = []

    def begin(self, kind: str, start: int, selected: Selected) -> Step:
        """A new step, whose first change is at `start`. What was undone before it is given up."""
        self.close()
        self.undone.clear()
        step = Step(kind, (selected[0] - start, selected[1] - start))
        self.done.append(step)
        return step

    def close(self) -> None:
        """What comes next is a step of its own."""
        if self.done:
            self.done[-1].closed = True

    def grow(self, step: Step, text: str, runs: Runs) -> bool:
        """Make the one change of a step longer, as if that had been done before the steps that followed it.

        False, and nothing is changed, when a later change lies across the place, so that there is no telling.
        """
        change = step.changes[0]
        later = self._after(step)
        place = end = change.end
        for other in later:
            if other.start < place:
                if other.start + len(other.removed) > place:
                    return False
                place += other.grows
        change.extend(text, runs)
        place = end
        for other in later:
            if other.start >= place:
                other.start += len(text)
            else:
                place += other.grows
        return True

    def forget(self, step: Step) -> tuple[int, int] | None:
        """Take a step of one change out as if it had never been; where what it put in stands now.

        None, and nothing is changed, when later changes touched that.
        """
        if not any(other is step for other in self.done):
            return None
        change = step.changes[0]
        start, end = change.start, change.end
        behind: list[Change] = []
        for other in self._after(step):
            if other.start >= end:
                behind.append(other)
            elif other.start + len(other.removed) <= start:
                start += other.grows
                end += other.grows
            else:
                return None
        for other in behind:
            other.start -= change.grows
        self.done = [other for other in self.done if other is not step]
        self.undone.clear()
        return start, end

    def _after(self, step: Step) -> list[Change]:
        """The changes of all steps after a step, in their order."""
        later: list[Change] = []
        for other in reversed(self.done):
            if other is step:
                break
            later[:0] = other.changes
        return later
