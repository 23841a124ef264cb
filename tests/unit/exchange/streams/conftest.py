"""A scripted venue and a manager over it that leaves no task behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kracken_tasks.exchange.streams import WebSocketManager
from tests.support.listening import PATIENCE
from tests.support.streams import FAST, ScriptedStreams


@pytest.fixture
def venue() -> ScriptedStreams:
    return ScriptedStreams()


@pytest.fixture
async def manager(venue: ScriptedStreams) -> AsyncIterator[WebSocketManager]:
    async with WebSocketManager("kraken", timing=FAST, halves=venue.halves) as made:
        yield made
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:  # whoever listened has to be given the turn in which he ends
        _, left = await asyncio.wait(others, timeout=PATIENCE)
        assert left == set(), "tasks were left behind"
