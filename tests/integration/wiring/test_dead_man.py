"""The dead-man switch of the settings, around a tick at the sandbox."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from kracken_tasks import wiring
from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side
from kracken_tasks.settings import Settings, load_settings
from tests.support.sandbox import RunningSandbox, running_sandbox


def settings_of(home: Path, sandbox: RunningSandbox, **trading: object) -> Settings:
    port = int(sandbox.base_url.rsplit(":", 1)[1])
    overrides = {"home": home, "pairs": ["BTC/USD"], "sandbox": {"port": port}, "trading": trading}
    return load_settings(home / "no-config", env={}, overrides=overrides)


def resting_buy(settings: Settings) -> None:
    far_below = Decimal("100")
    request = OrderRequest("1" * 32, "BTC/USD", Side.BUY, OrderKind.LIMIT, Decimal(1), limit_price=far_below)
    wiring.venue(settings, private=True).submit(request)


def test_after_the_last_tick_the_venue_cancels_what_rests(tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        settings = settings_of(tmp_path, sandbox, dead_man_seconds=600)
        resting_buy(settings)
        with wiring.around_tick(settings):
            sandbox.control.advance(700)  # during a tick it is off, however long the tick takes
        assert len(wiring.venue(settings, private=True).open_orders()) == 1
        sandbox.control.advance(601)
        assert wiring.venue(settings, private=True).open_orders() == []


def test_without_the_setting_nothing_is_ever_canceled(tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        settings = settings_of(tmp_path, sandbox)
        resting_buy(settings)
        with wiring.around_tick(settings):
            pass
        sandbox.control.advance(90_000)
        assert len(wiring.venue(settings, private=True).open_orders()) == 1
