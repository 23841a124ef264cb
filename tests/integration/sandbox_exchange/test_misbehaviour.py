"""The sandbox misbehaves on command, in each way a real venue does."""

from __future__ import annotations

import ccxt
import pytest

from tests.support.sandbox import ControlClient, ControlError, RunningSandbox, running_sandbox, sandbox_config
from tests.support.scripted_market import ScriptedMarket, quiet

PAIR = "BTC/USD"


@pytest.fixture
def ready(client: ccxt.kraken) -> ccxt.kraken:
    client.load_markets()
    return client


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(
    ("fault", "exception"),
    [
        ({"drop": True}, ccxt.NetworkError),
        ({"status": 502, "body": "<html>Bad gateway</html>"}, ccxt.ExchangeNotAvailable),
        ({"status": 504, "body": "<html>Gateway timeout</html>"}, ccxt.RequestTimeout),
        ({"status": 429, "body": "slow down"}, ccxt.RateLimitExceeded),
        ({"error": "EService:Unavailable"}, ccxt.ExchangeNotAvailable),
    ],
)
def test_a_fault_strikes_before_or_after_the_order_was_accepted(
    sandbox: RunningSandbox,
    ready: ccxt.kraken,
    when: str,
    orders: int,
    fault: dict[str, object],
    exception: type[Exception],
) -> None:
    sandbox.control.fault("AddOrder", when=when, **fault)
    with pytest.raises(exception):
        ready.create_order(PAIR, "limit", "buy", 1, 90)
    assert len(ready.fetch_open_orders()) == orders


def test_an_html_page_with_status_200_leaves_the_client_without_an_id(
    sandbox: RunningSandbox, ready: ccxt.kraken
) -> None:
    sandbox.control.fault("AddOrder", when="after", body="<html>Please wait</html>")
    assert ready.create_order(PAIR, "limit", "buy", 1, 90)["id"] is None
    assert len(ready.fetch_open_orders()) == 1


def test_a_slow_answer_times_out_although_the_order_stands(sandbox: RunningSandbox, ready: ccxt.kraken) -> None:
    sandbox.control.fault("AddOrder", when="after", delay_ms=400)
    ready.timeout = 100
    with pytest.raises(ccxt.RequestTimeout):
        ready.create_order(PAIR, "limit", "buy", 1, 90)
    ready.timeout = 10_000
    assert len(ready.fetch_open_orders()) == 1


def test_rules_count_skip_and_can_be_cleared(sandbox: RunningSandbox, ready: ccxt.kraken) -> None:
    sandbox.control.fault("*Order*", error="EService:Busy", count=2, skip=1)
    outcomes = []
    for _ in range(4):
        try:
            ready.fetch_open_orders()
            outcomes.append("ok")
        except ccxt.ExchangeNotAvailable:
            outcomes.append("busy")
    assert outcomes == ["ok", "busy", "busy", "ok"]
    assert sandbox.control.faults()[0]["struck"] == 2
    sandbox.control.fault("*", error="EService:Busy", count=None)
    sandbox.control.clear_faults()
    assert ready.fetch_open_orders() == []


def test_chance_is_seeded(sandbox: RunningSandbox, ready: ccxt.kraken) -> None:
    def pattern() -> str:
        sandbox.control.clear_faults()
        sandbox.control.fault("Time", error="EService:Busy", count=None, probability=0.5, seed=3)
        seen = ""
        for _ in range(12):
            try:
                ready.fetch_time()
                seen += "."
            except ccxt.ExchangeNotAvailable:
                seen += "x"
        return seen

    first = pattern()
    assert first == pattern()
    assert set(first) == {".", "x"}


def test_the_venues_clock_can_be_skewed_for_its_clients(sandbox: RunningSandbox, ready: ccxt.kraken) -> None:
    true = ready.fetch_time()
    sandbox.control.settings(clock_skew_ms=90_000)
    assert ready.fetch_time() - true == 90_000
    assert sandbox.control.now_ms() == true


def test_maintenance_closes_trading_and_shows_in_the_status(sandbox: RunningSandbox, ready: ccxt.kraken) -> None:
    sandbox.control.settings(system_status="maintenance")
    assert ready.fetch_status()["status"] == "maintenance"
    with pytest.raises(ccxt.ExchangeNotAvailable):
        ready.create_order(PAIR, "limit", "buy", 1, 90)


def test_nonsense_is_refused_at_the_back_door(sandbox: RunningSandbox) -> None:
    control = sandbox.control
    for path, body in (
        ("faults", {"endpoint": "AddOrder", "colour": "red"}),
        ("clock", {"sideways": 1}),
        ("clock", {"set": "2020-01-01"}),
        ("settings", {"tier": "platinum"}),
        ("settings", {"pair_status": {"NO/PE": "online"}}),
        ("deposit", {"asset": "USD", "amount": "-20000"}),
    ):
        with pytest.raises(ControlError, match="400"):
            control.call("POST", path, body)


def test_the_back_door_can_have_a_lock() -> None:
    config = sandbox_config(control_token="sesame")
    with running_sandbox(ScriptedMarket({PAIR: quiet()}), config) as running:
        with pytest.raises(ControlError, match="401"):
            running.control.health()
        assert ControlClient(running.base_url, "sesame").health()["status"] == "ok"


def test_a_deposit_is_booked(sandbox: RunningSandbox, ready: ccxt.kraken) -> None:
    sandbox.control.deposit("ETH", "2.5")
    assert ready.fetch_balance()["ETH"]["total"] == 2.5
    (row,) = ready.fetch_ledger("ETH")
    assert (row["type"], row["amount"]) == ("transaction", 2.5)
