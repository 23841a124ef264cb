"""What a user sees: the Prefect UI in a real browser, with a completed run of every flow and artifacts worth looking at.

Needs Debian's Chromium; `make browser-test` installs it and runs this.  Pictures go to $KRACKEN_PICTURES where that is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.sandbox import free_port

ROOT = Path(__file__).resolve().parents[2]
FLOWS = ("ingest_ohlcv", "retrain_lstm", "run_backtest", "trading_tick", "nightly_exports")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]  # fmt: skip
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stack as `kracken up` leaves it after its first start; $KRACKEN_UI names one that runs already."""
    if os.environ.get("KRACKEN_UI"):
        yield os.environ["KRACKEN_UI"]
        return
    home, port = tmp_path_factory.mktemp("home"), free_port()
    env = {
        **os.environ,
        "KRACKEN_HOME": str(home),
        "KRACKEN_PREFECT__PORT": str(port),
        "KRACKEN_SANDBOX__PORT": str(free_port()),
    }
    stack = subprocess.Popen(
        [sys.executable, "-m", "kracken_tasks.cli", "up"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
    )
    assert stack.stdout is not None
    try:
        for line in stack.stdout:
            if line.startswith("Running."):
                break
        else:
            pytest.fail("kracken up ended before it ran")
        yield f"http://127.0.0.1:{port}"
    finally:
        stack.terminate()
        stack.communicate(timeout=90)


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


def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("KRACKEN_PICTURES")
    if folder:
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_run_of_every_flow_is_completed(ui: str, page: Page) -> None:
    page.goto(f"{ui}/runs?state=completed", wait_until="networkidle", timeout=WAIT_MS)
    for flow in FLOWS:
        page.goto(f"{ui}/deployments", wait_until="networkidle", timeout=WAIT_MS)
        expect(page.get_by_text(flow, exact=True).first).to_be_visible(timeout=WAIT_MS)
    _picture(page, "deployments")
    page.goto(f"{ui}/dashboard", wait_until="networkidle", timeout=WAIT_MS)
    _picture(page, "dashboard")


@pytest.mark.parametrize(
    "key",
    [
        "backtest-btc-usd",
        "model-btc-usd",
        "tick",
        "decisions",
        "lake-coverage",
        "candle-contract",
        "journal",
        "tax-files",
    ],
)
def test_every_flow_leaves_an_artifact_worth_looking_at(ui: str, page: Page, key: str) -> None:
    page.goto(f"{ui}/artifacts/key/{key}", wait_until="networkidle", timeout=WAIT_MS)
    expect(page.get_by_text(key).first).to_be_visible(timeout=WAIT_MS)
    with urllib.request.urlopen(f"{ui}/api/artifacts/{key}/latest") as answer:
        assert answer.status == 200
    page.locator("a[href*='/artifacts/artifact/']").first.click(timeout=WAIT_MS)
    page.wait_for_load_state("networkidle")
    _picture(page, f"artifact-{key}")


def test_the_run_form_says_what_each_parameter_is(ui: str, page: Page) -> None:
    page.goto(f"{ui}/deployments", wait_until="networkidle", timeout=WAIT_MS)
    page.get_by_text("ingest_ohlcv", exact=True).first.wait_for(timeout=WAIT_MS)
    with urllib.request.urlopen(f"{ui}/api/deployments/name/ingest_ohlcv/sandbox") as answer:
        import json

        deployment = json.load(answer)["id"]
    page.goto(f"{ui}/deployments/deployment/{deployment}/run", wait_until="networkidle", timeout=WAIT_MS)
    expect(page.get_by_text("Venues; empty: all enabled ones").first).to_be_visible(timeout=WAIT_MS)
    _picture(page, "run-form")
