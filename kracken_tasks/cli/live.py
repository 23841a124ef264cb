"""``kracken preflight | arm | disarm | kill-switch``: real money, and the way to stop entries at once."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.cli.trading import emergency_settings, told_now
from kracken_tasks.cli.values import console, say
from kracken_tasks.domain.clock import WallClock, iso
from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import Profile, load_settings
from kracken_tasks.wiring.live import preflight as ask_preflight
from kracken_tasks.wiring.trading import kill_switch as switch_of

if TYPE_CHECKING:
    from kracken_tasks.live import Preflight

__all__ = ["add_to", "read_duration"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_By = Annotated[str, typer.Option(help="Your name: it stands in the ledger")]
_Reason = Annotated[str, typer.Option(help="Why: it stands in the ledger")]


class OnOff(StrEnum):
    ON = "on"
    OFF = "off"


def add_to(app: typer.Typer) -> None:
    app.command("preflight")(preflight)
    app.command("arm")(arm)
    app.command("disarm")(disarm)
    app.command("kill-switch")(kill_switch)


def preflight() -> None:
    """Ask everything that must be true before real money is traded; exit code 1 unless all of it is.  Places no order."""
    found = ask_preflight(load_settings())
    _show(found)
    if not found.passed:
        raise typer.Exit(1)
    say("ready: the next tick may enter")


def arm(
    account: Annotated[str, typer.Option(help="The account's name, typed out")],
    duration: Annotated[str, typer.Option("--for", help="How long: 90m, 8h or 2d, at most 30 days")],
    by: _By,
    reason: _Reason,
) -> None:
    """Let this account trade real money for a stated time.  Refused unless every other check of preflight passes."""
    from kracken_tasks.live import arm as arm_account

    settings = load_settings()
    span = read_duration(duration)
    if settings.profile is not Profile.LIVE:
        raise Misconfigured(
            f"only profile live is armed, this is {settings.profile.value}", key="profile", value=settings.profile.value
        )
    found = ask_preflight(settings).without("armed")
    _show(found)
    if not found.passed:
        say("not armed: see what did not pass", style="red")
        raise typer.Exit(1)
    now = wiring.market_now(settings)
    armed = arm_account(wiring.ledger(settings), account=account, by=by, reason=reason, duration=span, now=now)
    say(f"account {armed.account} may trade real money until {iso(armed.until)}; kracken disarm ends it at once")


def disarm(by: _By, reason: _Reason) -> None:
    """Buy nothing with real money any more; what is held keeps its stops and is sold by its rules.  Needs the ledger only."""
    from kracken_tasks.live import arming_of
    from kracken_tasks.live import disarm as disarm_account

    settings = emergency_settings()
    ledger = wiring.ledger(settings)
    newest = arming_of(ledger)
    if newest is None:
        say(f"account {ledger.account} was never armed")
        return
    disarm_account(ledger, by=by, reason=reason, now=told_now(settings, ledger))
    say(f"account {ledger.account} is disarmed; resting orders stay, see kracken flatten")


def kill_switch(
    word: Annotated[OnOff, typer.Argument(help="on: nothing is entered; off: give it back")],
    by: Annotated[str, typer.Option(help="Your name")] = "",
    reason: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """Stop every entry of every process that sees this home, by a file: no ledger, no venue, no valid strategy settings needed."""
    settings = emergency_settings()
    switch = switch_of(settings)
    if word is OnOff.ON:
        if not (by.strip() and reason.strip()):
            raise Misconfigured("this command needs a name and a reason (--by, --reason)", key="by")
        switch.hold(by, reason, WallClock().now())
        say(f"{switch.holder()}; nothing is entered until kracken kill-switch off")
        return
    held = switch.let_go()
    still = switch.holder()
    say(still or ("given back" if held else "nobody held it"), style="red" if still else None)
    if still:
        raise typer.Exit(1)


def read_duration(text: str) -> timedelta:
    """``90m``, ``8h`` or ``2d``.  Raises: Misconfigured for anything else."""
    found = re.fullmatch(r"(\d{1,4})([mhd])", text.strip())
    if found is None:
        raise Misconfigured(f"{text!r} is no duration; allowed: 90m, 8h, 2d", key="for", value=text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _show(found: Preflight) -> None:
    table = Table("check", "", "found", "what to do")
    for check in found.checks:
        table.add_row(check.name, "ok" if check.passed else "no", check.found, check.to_do)
    console.print(table)
