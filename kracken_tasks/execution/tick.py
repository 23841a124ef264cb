"""The tick: reconcile, mark, exits, candles, decide, send, protect, write it down.  One function, killable at any instant.

In: everything it works with (``TickDeps``) and the slot it stands for.  Out: ``TickReport``; the facts are in the ledger.
Never: retries, threads, Prefect, settings; a second order for a decision, whatever is repeated; a symbol's trouble kept from the others.

Exits and stops come first and need neither candles nor signals.  A tick that is repeated after it was finished does nothing; one that was
killed halfway sends nothing its first run may have sent, and looks after what that run left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from kracken_tasks.domain.clock import iso, monotonic_seconds
from kracken_tasks.domain.market import Quote, SeriesKey
from kracken_tasks.domain.trading import Action, Position, Purpose, Side
from kracken_tasks.errors import RetryLater
from kracken_tasks.execution.account import Account, account_facts
from kracken_tasks.execution.advanced.keeping import take_back_entries, trail
from kracken_tasks.execution.desk import AccountInUse, trading_desk
from kracken_tasks.execution.entries import Candidate, decide, enter, frame_rows
from kracken_tasks.execution.exits import due_exit, leave
from kracken_tasks.execution.flatten_direct import adopt_or_halt
from kracken_tasks.execution.marks import detail_of
from kracken_tasks.execution.orders import is_dust
from kracken_tasks.execution.protect import protect
from kracken_tasks.execution.reconcile import (
    LOOKED_UP_TO,
    Reconciled,
    check_balances,
    looked_up_to,
)
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.run import Run
from kracken_tasks.execution.team import Team, carry_out
from kracken_tasks.execution.tick_deps import CandleView, TickDeps, TickSlot
from kracken_tasks.execution.unprotected import exposure_of
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, BalanceLine, LeaseLost, Source
from kracken_tasks.ledger.codec import encode
from kracken_tasks.risk.state import AccountState

__all__ = ["CandleView", "TickDeps", "TickSlot", "run_tick"]

_QUOTES_KEEP_SECONDS = 2.0
_MOST_OF_IT = 0.9  # of the lease's time: a wait begins, and the sends after it, with nearly all of it left


def run_tick(deps: TickDeps, slot: TickSlot) -> TickReport:
    """Run one tick to its end, or say why it did not run.

    Time: market time is ``broker.now()``; the wall clock serves the lease only.
    Raises: RetryLater if the venue cannot be read at all; whatever was sent before is found by the next tick.
    """
    try:
        with trading_desk(
            deps.broker, deps.ledger, deps.wall, holder=deps.holder, tick_id=slot.tick_id, source=Source.TICK,
            config=deps.config, pause=deps.pause,
        ) as desk:  # fmt: skip
            return _run(_Tick(deps, slot, desk))
    except AccountInUse as busy:
        reason = f"skipped: lease held by {busy.held.holder} until {iso(busy.held.until)}"
        return TickReport(slot.tick_id, slot.at, reason)


def _run(run: _Tick) -> TickReport:
    try:
        return run.go()
    except LeaseLost as lost:
        run.problems["lease"] = str(lost)
        return run.report("lease lost")


class _Tick(Run):
    """The stages in order."""

    def go(self) -> TickReport:
        if self.deps.ledger.tick(self.slot.tick_id) is not None:
            return self.report("repeated")
        unread = adopt_or_halt(self.deps.ledger, self.deps.journal, self.deps.broker)
        if unread:
            self.problems["journal"] = unread
        with self._stage("reconcile"):
            look = self._reconcile()
        try:
            with self._stage("quotes"):
                self._quotes = self._fresh_quotes()
        except RetryLater:
            protect(self.desk, look)  # stops need no quotes
            raise
        with self._stage("mark"):
            state = self._mark_and_state()
        with self._stage("exits"):
            look = self._take_back_entries(look)
            self._leave_what_is_due(look, state)
            self._trail(look.now)
        with self._stage("protect"):
            look = self._protect(look)
        try:
            with self._stage("decide"):
                self._decide_all(look)
        except LeaseLost:
            raise
        except Exception:  # a broken lake, say: what was sent is looked at and the account marked all the same
            with self._stage("book"):
                self._end(look, finished=False)
            raise
        with self._stage("book"):
            self._end(look, finished=True)
        return self.report("done")

    # -- leaving -------------------------------------------------------------------------------------------------------------

    def _take_back_entries(self, look: Reconciled) -> Reconciled:
        """Take back resting entries that the state or the kill switch forbids or that nobody wants any more, before what they bought
        meanwhile is left."""
        if not any(order.side is Side.BUY for order in look.open_orders):
            return look
        with self._guarding("entries"):
            if take_back_entries(self.desk, look, nothing_bought=bool(self.deps.kill_switch())):
                return self._look_again()
        return look

    def _leave_what_is_due(self, look: Reconciled, state: AccountState) -> None:
        for symbol, position in sorted(self.deps.ledger.positions().items()):
            quote = self._quotes.get(symbol)
            if (
                quote is None
                or symbol in self.desk.unknown
                or is_dust(position, self.deps.broker.instruments().get(symbol))
            ):
                continue
            with self._guarding(symbol):
                due = due_exit(self.desk, position, quote, look, state, self.deps.stops)
                if due is not None:
                    self._leave(position, quote, look, *due)

    def _leave(self, position: Position, quote: Quote, look: Reconciled, purpose: Purpose, reason: str) -> None:
        left = leave(self.desk, position, quote, look.stops(position.symbol), purpose=purpose, reason=reason)
        self._found = replace(self._found, exits=(*self._found.exits, left))

    def _trail(self, now: datetime) -> None:
        """Raise the planned stop of every position that trails; ``protect`` then amends what rests."""
        for symbol, position in self.deps.ledger.positions().items():
            quote = self._quotes.get(symbol)
            if quote is None or symbol in self.desk.unknown:
                continue
            with self._guarding(symbol):
                trail(self.desk, position, quote, now)

    # -- entering ------------------------------------------------------------------------------------------------------------

    def _decide_all(self, look: Reconciled) -> None:
        """Decide every symbol and send what follows; nothing is looked at in between.

        What was just sent counts as spent, held and open for the symbols after it (see ``account``); what was just sold still counts as
        held: nobody knows yet whether it filled.
        """
        if self._mark is None:
            return
        deps = self.deps
        keys = [deps.series[symbol] for symbol in sorted(deps.series)]
        now = self._wait(keys, deps.broker.now())
        view = deps.snapshot()
        self._found = replace(self._found, commit_seq=view.seq)
        with self._guarding("signal weights"):  # what cannot be learned now leaves the configured weights
            self._retuned = deps.retuner(now)
        elsewhere = deps.elsewhere([key.symbol for key in keys if key.symbol in self._quotes])
        self.desk.require_lease(_MOST_OF_IT)  # other venues may have taken their time
        candidates: dict[str, Candidate] = {}
        for key in keys:
            if key.symbol not in self._quotes:
                continue  # the problem has been told
            with self._guarding(key.symbol):
                found = self._candidate(view, key, now)
                candidates[key.symbol] = replace(found, elsewhere=elsewhere.get(key.symbol, found.elsewhere))
        account = self._account(now)
        team = Team(self.desk, deps.seats, candidates, deps.limits, deps.stops, self._retuned) if deps.seats else None
        for symbol, candidate in candidates.items():
            with self._guarding(symbol):
                if team is not None:
                    acted = self._decide_for_all(team, candidate, account, look, view.seq, now)
                else:
                    acted = self._decide_one(candidate, candidates, account, look, view.seq, now)
                if acted:
                    account = self._account(now)

    def _wait(self, keys: Sequence[SeriesKey], now: datetime) -> datetime:
        """Wait for the bar that just closed; after a long wait the quotes are asked for again.  Returns market time after it."""
        self.desk.require_lease(_MOST_OF_IT)
        started = monotonic_seconds()
        for timeframe in sorted({key.timeframe for key in keys}, key=lambda timeframe: timeframe.seconds):
            due = [key for key in keys if key.timeframe is timeframe]
            self.deps.wait_for_bar(due, timeframe.last_closed(now))
        self.desk.require_lease(_MOST_OF_IT)
        if monotonic_seconds() - started <= _QUOTES_KEEP_SECONDS:
            return now
        self._quotes = self._fresh_quotes()
        return self.deps.broker.now()

    def _candidate(self, view: CandleView, key: SeriesKey, now: datetime) -> Candidate:
        strategy = self._retuned(self.deps.strategies[key.symbol])
        frame = view.candles(key, last=max(frame_rows(strategy), self.deps.forecast_rows(key)))
        against = [
            f"{item.rule}: {item.detail}" for item in self.deps.row_findings(frame, key, now) if item.action != "warn"
        ]
        if view.in_quarantine(key):
            against.append("quarantine: rejected candles wait for a release")
        return Candidate(
            key=key,
            strategy=strategy,
            instrument=self.desk.instrument(key.symbol),
            quote=self._quotes[key.symbol],
            frame=frame,
            against=tuple(against),
            forecast=self.deps.forecast(key, frame, now),
            sentiment=self.deps.sentiment(key.symbol, now),
            feed=self.deps.feed(key.symbol, now),
        )

    def _account(self, now: datetime) -> Account:
        if self._mark is None:
            raise ValueError("an account without a mark is not traded")
        free = {asset: float(balance.free) for asset, balance in self._balances.items()}
        return account_facts(self.desk, self._mark, self.deps.limits, free, now)

    def _decide_one(
        self,
        candidate: Candidate,
        others: Mapping[str, Candidate],
        account: Account,
        look: Reconciled,
        commit_seq: int,
        now: datetime,
    ) -> bool:
        """Decide one symbol, write it down, act on it; True if an order went out."""
        deps = self.deps
        candidate = self._asked_now(candidate, now)
        judged = decide(self.desk, candidate, others, account, deps.limits, deps.stops, commit_seq=commit_seq, now=now)
        decision = judged.decision
        facts = "" if judged.facts is None else encode(judged.facts)
        self.desk.require_lease()  # whoever has it by now decides; a second word on the same bar would explain no order
        written = deps.ledger.record_decision(self.slot.tick_id, decision, ts=now, facts=facts)
        decision = written.entry.decision  # a killed run of this tick may have decided otherwise, and that stands
        self._found = replace(self._found, decisions=(*self._found.decisions, decision))
        if decision.action is Action.SELL:
            if decision.symbol in self._moved:  # its stops were placed or moved since the look
                look = self._look_again()
            position = deps.ledger.positions().get(decision.symbol)
            if position is not None and decision.symbol not in self.desk.unknown:
                self._leave(position, candidate.quote, look, Purpose.EXIT, f"signal: {decision.reason}")
            return position is not None
        fit = decision.action is Action.BUY and decision.blocked_by is None
        # A decision that stands there already was made by a run of this tick that was killed: it may have sent its order.
        if not fit or not written.new or decision.receipt is None or decision.receipt.lots <= 0:
            return False
        # The deadline of an order is counted from this moment, not from the stage's.
        sent = enter(self.desk, candidate, judged, deps.limits, deps.stops, now=deps.broker.now())
        if sent is not None:
            self._found = replace(self._found, sent=(*self._found.sent, sent))
        return sent is not None

    def _asked_now(self, candidate: Candidate, now: datetime) -> Candidate:
        """With what is asked for every decision, and not when the stage began."""
        deps = self.deps
        return replace(
            candidate,
            kill_switch=deps.kill_switch(),
            not_armed=deps.not_armed(now),
            first_orders=deps.first_orders(now),
        )

    def _decide_for_all(
        self, team: Team, candidate: Candidate, account: Account, look: Reconciled, commit_seq: int, now: datetime
    ) -> bool:
        """Decide one symbol for all agents, write it down, act on the net; True if an order went out.

        A symbol that is being left in this tick is not decided: what its agents hold is on its way out.
        """
        symbol, found = candidate.symbol, self._found
        if any(left.symbol == symbol for left in found.exits):
            return False
        decided = team.decide(self._asked_now(candidate, now), account, commit_seq=commit_seq, now=now)
        self._found = replace(found, decisions=(*found.decisions, *decided.decisions))
        if decided.problem:
            self.problems[symbol] = decided.problem
        if decided.selling and symbol in self._moved:  # its stops were placed or moved since the look
            look = self._look_again()
        sent, left = carry_out(self.desk, decided, candidate, self.deps.limits, look)
        self._found = replace(self._found, sent=(*self._found.sent, *sent), exits=(*self._found.exits, *left))
        return bool(sent or left)

    # -- ending --------------------------------------------------------------------------------------------------------------

    def _end(self, look: Reconciled, *, finished: bool) -> None:
        """Look at what was sent, wait out what leaves a position naked, write the account down; the tick itself only if it is finished."""
        if self.desk.touched:  # one look for all that was sent
            look = self._protect(look)
        if self._found.exits:  # what has been left is not bought again by what still rests of its entry
            later = self._take_back_entries(look)
            if later is not look:
                self._protect(later)
        self._outlast_doubt()
        self._close_books(finished=finished)

    def _close_books(self, *, finished: bool) -> None:
        now = self.deps.broker.now()
        if self._mark is not None:
            differences: Sequence[BalanceLine] = self._found.differences
            if self._found.sent or self._found.exits or self._found.fills:
                with self._guarding("account"):
                    self._balances, differences = check_balances(self.desk, now)
            self._found = replace(self._found, differences=tuple(differences))
            with self._guarding("account"):
                self._judge(differences, now, write=True)
        for symbol, problem in self.problems.items():
            payload = {"summary": f"{symbol}: {problem}", "context": self.slot.tick_id}
            draft = AlertDraft(AlertKind.ERROR, f"problem:{self.slot.tick_id}:{symbol}", payload, AlertLevel.WARNING)
            self.deps.ledger.add_alert(draft, ts=now)
        with self._guarding("unprotected seconds"):
            held = sorted(position.position_id for position in self.deps.ledger.positions().values())
            exposures = tuple(exposure_of(self.deps.ledger, position_id, now) for position_id in held)
            self._found = replace(self._found, exposures=exposures)
        if not finished:
            return
        self.deps.ledger.record_tick(self.slot.tick_id, slot=self.slot.at, result="done", ts=now, detail=self._detail())

    def _detail(self) -> dict[str, str]:
        found = self._found
        counts = {
            "decisions": str(len(found.decisions)),
            "orders": str(len(found.sent)),
            "exits": str(len(found.exits)),
            "fills": str(len(found.fills)),
            "commit_seq": "" if found.commit_seq is None else str(found.commit_seq),
        }
        if found.exposures:
            counts["unprotected_seconds"] = " ".join(
                f"{item.position_id}={item.unprotected:.0f}" for item in found.exposures
            )
        if self._mark is not None and found.now is not None:
            agrees = not found.differences and not found.unknown
            counts[LOOKED_UP_TO] = iso(looked_up_to(self._looked_before, found.now, agrees=agrees))
        return counts | ({} if self._mark is None else detail_of(self._mark))
