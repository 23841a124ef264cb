"""One screen of progress: steps with their time and outcome, then a panel of what happened and where to look.

In: named steps, text.  Out: a live table on a terminal, plain lines elsewhere (CI, a pipe).  Never: decisions.
"""

from __future__ import annotations

import sys
import termios
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kracken_tasks.domain import clock

__all__ = ["Screen", "Step"]

_TITLE_WIDTH = 44
_LAST_STEPS = 3


@dataclass(slots=True)
class Step:
    """One line of the screen.  ``note`` may change while the step runs; ``done``/``total`` draw a bar."""

    title: str
    started: float
    note: str = ""
    done: int = 0
    total: int = 0
    outcome: str = "running"
    failed: bool = False
    seconds: float = 0.0

    def advance(self, done: int, total: int, note: str = "") -> None:
        self.done, self.total = done, total
        self.note = note or self.note

    def fail(self, why: str) -> None:
        """It went wrong, and what comes after goes on all the same."""
        self.failed, self.note = True, why

    @property
    def elapsed(self) -> float:
        return self.seconds if self.outcome != "running" else clock.monotonic_seconds() - self.started


@dataclass(slots=True)
class Screen:
    """Use as a context manager; on a terminal it redraws itself, elsewhere it writes a line a step."""

    title: str
    console: Console = field(default_factory=Console)
    steps: list[Step] = field(default_factory=list)
    footer: RenderableType | None = None
    _live: Live | None = None
    _terminal: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._terminal.enter_context(_no_echo_of_control_keys())
            self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=6, screen=False)
            self._live.__enter__()
        else:
            self.console.print(self.title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None
        self._terminal.close()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A step is done when the block ends, stopped when the user interrupts it, failed when it raises."""
        step = Step(title, clock.monotonic_seconds())
        self.steps.append(step)
        try:
            yield step
        except BaseException as error:
            self._finish(step, "stopped" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        self._finish(step, "failed" if step.failed else "done")

    def show(self, panel: RenderableType) -> None:
        """Replace the panel under the steps."""
        self.footer = panel

    def say(self, text: str) -> None:
        """A line that stays: for what happens while the stack runs."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def close_with(self, panel: RenderableType) -> None:
        """The last word: shown once, below everything."""
        self.footer = None if self._live is None else panel
        if self._live is None:
            self.console.print(panel)

    def _finish(self, step: Step, outcome: str) -> None:
        step.seconds = step.elapsed
        step.outcome = outcome
        if self._live is None:
            self.console.print(
                f"{outcome:>7}  {step.seconds:6.1f} s  {step.title}  {step.note}".rstrip(),
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(
            no_wrap=True, width=min(_TITLE_WIDTH, max((len(step.title) for step in self.steps), default=0))
        )
        table.add_column(justify="right", width=8, no_wrap=True)
        table.add_column(
            overflow="ellipsis", no_wrap=True, ratio=1
        )  # what is left; a long note is cut, nothing else is
        steps = self.steps
        if self.footer is not None:  # what happens now needs the room
            steps = [step for step in steps[:-_LAST_STEPS] if step.outcome != "done"] + steps[-_LAST_STEPS:]
            before = [step for step in self.steps if step not in steps]
            if before:
                seconds = sum(step.seconds for step in before)
                table.add_row(Text("✔", style="green"), f"{len(before)} steps before", f"{seconds:.1f} s", "")
        for step in steps:
            table.add_row(_mark(step), step.title, f"{step.elapsed:.1f} s", Text(_progress(step), style="dim"))
        parts: list[RenderableType] = [Panel(table, title=self.title, title_align="left", border_style="cyan")]
        if self.footer is not None:
            parts.append(self.footer)
        return Group(*parts)


@contextmanager
def _no_echo_of_control_keys() -> Iterator[None]:
    """The terminal would write ^C into the screen and push it a line down."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    quiet = [*before]
    quiet[3] &= ~termios.ECHOCTL
    termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        with suppress(termios.error, OSError):  # the terminal may be closed
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


_SIGNS = {"done": ("✔", "green"), "stopped": ("■", "yellow"), "failed": ("✘", "red")}


def _mark(step: Step) -> RenderableType:
    if step.outcome == "running":
        return Spinner("dots")
    sign, style = _SIGNS[step.outcome]
    return Text(sign, style=style)


def _progress(step: Step) -> str:
    if step.total <= 0 or step.outcome != "running":
        return step.note
    width = 16
    filled = round(width * step.done / step.total)
    return f"{'━' * filled}{'─' * (width - filled)} {step.done}/{step.total} {step.note}"
