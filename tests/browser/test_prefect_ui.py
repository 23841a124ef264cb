"""What a user sees: the Prefect UI in a real browser, with a completed run of every flow and artifacts worth looking at.

Needs Debian's Chromium; `make browser-test` installs it and runs this.  Pictures go to $KRACKEN_PICTURES where that is set.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from deployments.apply import wanted
from tests.support.running_stack import RunningStack, running_stack

# Deployments of one flow show one run form, but for its defaults.
DEPLOYMENTS = {name.split("/")[0]: name for name in sorted(one.name for one in wanted("sandbox"))}
BY_HAND: dict[str, dict[str, Any]] = {
    "backfill_history": {
        "symbols": ["BTC/USD"],
        "timeframes": ["15m"],
        "start": (datetime.now(UTC) - timedelta(days=2)).isoformat(),
    },
    "stream_market": {"symbols": ["BTC/USD"], "minutes": 0.2},
    "read_sentiment": {},
}
WITHOUT_PARAMETERS = {"read_sentiment"}
# What each flow leaves, and a word that only a whole artifact has.
ARTIFACTS = {
    "lake-coverage": "kraken BTC/USD 1h",
    "candle-contract": "rows accepted",
    "lake-map": "",
    "lake-upkeep": "live files",
    "history-plan": "",
    "stream-report": "kraken BTC/USD trades",
    "model-btc-usd": "BTC/USD 1h",
    "backtest-btc-usd": "",
    "tick": "Decisions",
    "decisions": "BTC/USD",
    "journal": "Starting equity",
    "tax-files": "gains.csv",
    "books": "difference",
}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]  # fmt: skip
WAIT_MS = 30_000
START_SECONDS = 300.0
RUN_SECONDS = 120.0
LOOK_SECONDS = 0.5
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack as `kracken up` leaves it after its first start, and a run of each flow that it leaves to its user.

    $KRACKEN_UI names one that runs already.
    """
    if running := os.environ.get("KRACKEN_UI"):
        found = RunningStack(tmp_path_factory.mktemp("none"), prefect_port=urlparse(running).port or 80)
        _run_by_hand(found)
        yield found
        return
    with running_stack(tmp_path_factory.mktemp("home"), KRACKEN_SANDBOX__WARM_UP_MINUTES="60") as started:
        started.start()
        started.wait_for("Running", START_SECONDS)
        _run_by_hand(started)
        yield started
        assert started.end_with(signal.SIGTERM)[0] == 0


@pytest.fixture
def ui(stack: RunningStack) -> str:
    return f"http://127.0.0.1:{stack.prefect_port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that notes every host it asks."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    fresh = context.new_page()
    hosts: set[str] = set()
    fresh.on("request", lambda request: hosts.add(urlparse(request.url).hostname or ""))
    yield fresh
    context.close()
    assert hosts - {""} <= {"127.0.0.1"}, f"the page asked other machines: {hosts}"


def test_a_run_of_every_flow_is_completed(stack: RunningStack, ui: str, page: Page) -> None:
    _open(page, f"{ui}/deployments")
    for flow in DEPLOYMENTS:
        expect(page.get_by_text(flow, exact=True).first).to_be_visible(timeout=WAIT_MS)
    _picture(page, "deployments")
    _open(page, f"{ui}/dashboard")
    _picture(page, "dashboard")
    for flow in DEPLOYMENTS:
        run = _completed(stack, flow)
        _open(page, f"{ui}/runs/flow-run/{run['id']}")
        expect(page.get_by_text(run["name"]).first).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_text("Completed").first).to_be_visible(timeout=WAIT_MS)
        _picture(page, f"run-{flow}")


@pytest.mark.parametrize("key", ARTIFACTS)
def test_every_flow_leaves_an_artifact_worth_looking_at(ui: str, page: Page, key: str) -> None:
    _open_newest(page, ui, key)
    if ARTIFACTS[key]:
        expect(page.get_by_text(ARTIFACTS[key]).first).to_be_visible(timeout=WAIT_MS)
    _picture(page, f"artifact-{key}")


def test_the_map_of_the_lake_is_shown_as_a_picture(ui: str, page: Page) -> None:
    _open_newest(page, ui, "lake-map")
    picture = page.get_by_alt_text("coverage of the lake")
    expect(picture).to_be_visible(timeout=WAIT_MS)
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 1000


@pytest.mark.parametrize("flow", DEPLOYMENTS)
def test_the_run_form_says_what_each_parameter_is(stack: RunningStack, ui: str, page: Page, flow: str) -> None:
    deployment = stack.prefect(f"deployments/name/{DEPLOYMENTS[flow]}")
    parameters = deployment["parameter_openapi_schema"]["properties"]
    assert bool(parameters) is (flow not in WITHOUT_PARAMETERS)
    _open(page, f"{ui}/deployments/deployment/{deployment['id']}/run")
    for name, parameter in parameters.items():
        said = parameter.get("description", "")
        assert said, f"{flow}: nothing is said of {name}"
        expect(page.get_by_text(said).first).to_be_visible(timeout=WAIT_MS)
    _picture(page, f"run-form-{flow}")


def _open(page: Page, url: str) -> None:
    page.goto(url, wait_until="networkidle", timeout=WAIT_MS)


def _open_newest(page: Page, ui: str, key: str) -> None:
    """From an artifact's history to its newest version, as a user clicks."""
    _open(page, f"{ui}/artifacts/key/{key}")
    expect(page.get_by_text(key).first).to_be_visible(timeout=WAIT_MS)
    page.locator("a[href*='/artifacts/artifact/']").first.click(timeout=WAIT_MS)
    page.wait_for_load_state("networkidle")


def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("KRACKEN_PICTURES")
    if folder:
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def _run_by_hand(stack: RunningStack) -> None:
    """The flows that nobody starts but a user, all at once."""
    ids = [stack.run_flow(DEPLOYMENTS[flow], **parameters) for flow, parameters in BY_HAND.items()]
    give_up = time.monotonic() + RUN_SECONDS
    for one in ids:
        while (run := stack.prefect(f"flow_runs/{one}"))["state_type"] not in ENDED:
            time.sleep(LOOK_SECONDS)
            assert time.monotonic() < give_up, f"{run['name']} is {run['state_name']} after {RUN_SECONDS:.0f} s"
        assert run["state_type"] == "COMPLETED", f"{run['name']}: {run['state']['message']}"


def _completed(stack: RunningStack, flow: str) -> dict[str, Any]:
    """The newest run of a flow that came to a good end."""
    asked = {
        "flows": {"name": {"any_": [flow]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        "sort": "END_TIME_DESC",
        "limit": 1,
    }
    found: list[dict[str, Any]] = stack.prefect("flow_runs/filter", asked)
    assert found, f"{flow} has no completed run"
    return found[0]
