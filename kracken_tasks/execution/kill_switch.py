"""The kill switch: a file that stops every entry of every process that sees it, and needs nothing else to work.

In: a path, who and why.  Out: who holds it, in words.  Never: the ledger, a venue, settings; a pass for a file that cannot be read.

It blocks buying only: stops rest where they rest and positions are sold by their rules.  ``kracken halt`` writes into the ledger instead,
which processes on other machines see, and sells everything.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from kracken_tasks.domain.clock import iso
from kracken_tasks.files import replace_file

__all__ = ["KillSwitch"]


class KillSwitch:
    """The switch at ``path``; ``always`` holds it for as long as a setting says so."""

    def __init__(self, path: Path, *, always: bool = False) -> None:
        self.path = path
        self.always = always

    def holder(self) -> str:
        """Who holds it and why; empty where nobody does.  Any file holds it, an empty one and one that cannot be read as well."""
        if self.always:
            return "held by the setting trading.kill_switch"
        try:
            said = " ".join(self.path.read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            return f"held: {self.path.name} cannot be read ({error})"
        return f"held by {said}" if said else f"held by the file {self.path.name}"

    def hold(self, by: str, reason: str, now: datetime) -> None:
        """Take it.  Whoever holds it already is written over, and it stays held.

        Raises: ValueError without a name or a reason.
        """
        who, why = " ".join(by.split()), " ".join(reason.split())
        if not (who and why):
            raise ValueError("a person's word carries a name and a reason")
        replace_file(self.path, f"{who} since {iso(now)}: {why}\n".encode())

    def let_go(self) -> bool:
        """Give it back; False if nobody held it.  A setting that holds it goes on doing so."""
        held = self.path.exists()
        self.path.unlink(missing_ok=True)
        return held
