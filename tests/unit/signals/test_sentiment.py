"""Sentiment: what is said of a coin, how old it may be, and that nothing known is never zero."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import RetryLater
from kracken_tasks.lake import open_store
from kracken_tasks.signals import ask_modules
from kracken_tasks.signals.sentiment import Headline, IndexValue, SentimentReading, SourceReading, opinion
from kracken_tasks.signals.sentiment.board import BoardRules, SentimentBoard, reading_of
from kracken_tasks.signals.sentiment.lexicon import assets_in, score
from kracken_tasks.signals.sentiment.reading import heard_rows, read_round
from kracken_tasks.strategies import EnsembleStrategy, propose_from
from tests.support.candles import random_candles

NOW = utc(2024, 5, 1, 12)
RULES = BoardRules()


def line(score: float, *assets: str, hours: float = 1.0, title: str = "") -> Headline:
    return Headline(title or f"{score} {assets} {hours}", score, assets, NOW - timedelta(hours=hours))


def news(*lines: Headline, minutes: float = 5.0, name: str = "wire") -> SourceReading:
    return SourceReading(name, NOW - timedelta(minutes=minutes), headlines=lines)


def index(value: float, *, hours: float = 3.0, minutes: float = 5.0) -> SourceReading:
    told = IndexValue(value, NOW - timedelta(hours=hours))
    return SourceReading("fear_greed", NOW - timedelta(minutes=minutes), index=told)


def heard(*readings: SourceReading, symbol: str = "BTC/USD") -> SentimentReading | None:
    return reading_of(readings, symbol, NOW, RULES)


@pytest.mark.parametrize(
    ("headline", "sign"),
    [
        ("Bitcoin plunges 12% as exchange hack wipes out billions", -1),
        ("Bitcoin surges to record high on ETF approval", 1),
        ("Crypto market bleeds as fear grips traders", -1),
        ("Bullish momentum builds for Bitcoin", 1),
        ("Bankruptcy filing triggers panic selling", -1),
        ("Bitcoin does not crash", 1),
        ("Exchange lists token pairs on Tuesday", 0),
    ],
)
def test_a_headline_is_read_the_way_a_trader_reads_it(headline: str, sign: int) -> None:
    assert (score(headline) > 0.05) - (score(headline) < -0.05) == sign


def test_a_headline_names_its_coins_and_not_parts_of_words() -> None:
    assert assets_in("Bitcoin and ETH lead, Ethereum follows") == ("BTC", "ETH")
    assert assets_in("Whether solace comes is uncertain") == ()


def test_good_news_lean_up_and_bad_news_lean_down() -> None:
    good, bad = heard(news(*[line(0.6, "BTC")] * 1, line(0.7, "BTC"))), heard(news(line(-0.6, "BTC")))
    assert good is not None
    assert bad is not None
    assert good.score > 0.0 > bad.score


def test_one_headline_moves_little() -> None:
    one, many = heard(news(line(0.9, "BTC"))), heard(news(*(line(0.9, "BTC", hours=0.1 * n) for n in range(20))))
    assert one is not None
    assert many is not None
    assert one.score < 0.25 < many.score


def test_news_of_another_coin_do_not_count() -> None:
    assert heard(news(line(0.9, "ETH"))) is None
    assert heard(news(line(0.9, "ETH")), symbol="ETH/USD") is not None


def test_the_same_story_from_two_feeds_counts_once() -> None:
    story = line(0.8, "BTC")
    assert heard(news(story), news(story, name="other")) == heard(news(story))


def test_extreme_fear_leans_up_and_greed_down() -> None:
    fear, greed = heard(index(10)), heard(index(90))
    assert fear is not None
    assert greed is not None
    assert (fear.score, greed.score) == (0.8, -0.8)


@pytest.mark.parametrize(
    "silent",
    [
        (),
        (news(),),
        (news(line(0.9, "BTC"), minutes=181),),
        (news(line(0.9, "BTC", hours=25)),),
        (news(line(0.9, "BTC", hours=-1)),),
        (news(line(0.9, "BTC"), minutes=-5),),
        (index(10, hours=49),),
        (index(10, minutes=200),),
    ],
    ids=["nobody", "no headlines", "read long ago", "old news", "news of the future", "read in the future", "old index", "stale"],
)  # fmt: skip
def test_nothing_fresh_is_no_opinion_and_not_zero(silent: tuple[SourceReading, ...]) -> None:
    said = opinion(heard(*silent), now=NOW)
    assert (said.direction, said.confidence) == (None, 0.0)
    assert said.reason


def test_a_neutral_market_is_an_opinion() -> None:
    said = opinion(heard(index(50)), now=NOW)
    assert (said.direction, said.confidence) == (0.0, 0.5)


def test_a_reading_grows_too_old_between_board_and_decision() -> None:
    reading = SentimentReading(0.5, NOW, "as the test says")
    assert opinion(reading, now=NOW + timedelta(minutes=180)).has_opinion
    assert opinion(reading, now=NOW + timedelta(minutes=181)).reason == "stale: read at 2024-05-01T12:00:00Z"
    assert not opinion(reading, now=NOW - timedelta(seconds=1)).has_opinion


def test_without_a_fresh_word_the_ensemble_votes_as_if_the_module_were_not_there() -> None:
    frame = random_candles(400)
    weights = {"rsi": 0.25, "macd": 0.3, "bollinger_bands": 0.2}
    with_it = propose_from(EnsembleStrategy({**weights, "sentiment": 1.0}), "BTC/USD", frame)
    without = propose_from(EnsembleStrategy(weights), "BTC/USD", frame)
    assert (with_it.action, with_it.confidence) == (without.action, without.confidence)


def test_a_fresh_word_is_heard_by_the_ensemble() -> None:
    frame = random_candles(400)
    (said,) = ask_modules(frame, ["sentiment"], sentiment=SentimentReading(-0.5, NOW, "bad news"), now=NOW)
    assert (said.direction, said.reason) == (-1.0, "bad news")
    proposal = EnsembleStrategy({"rsi": 0.01, "sentiment": 1.0}).propose(
        "BTC/USD", frame, (*ask_modules(frame, ["rsi"]), said)
    )
    assert proposal.action is Action.SELL


def test_a_reading_comes_back_from_the_store_as_it_was(tmp_path: Path) -> None:
    board = SentimentBoard(open_store(str(tmp_path)))
    told = (news(line(0.5, "BTC", title="Bitcoin “soars” – again")), index(40))
    for reading in told:
        board.put(reading)
    assert set(board.readings()) == set(told)
    board.put(news(line(-0.5, "BTC")))
    assert len(board.readings()) == 2
    assert board.reading("BTC/USD", NOW) is not None


def test_a_reading_that_cannot_be_read_is_a_silent_source(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    board = SentimentBoard(store)
    for name, bad in (("a", b"{"), ("b", b"[]"), ("c", json.dumps({"format": 9}).encode())):
        store.put_scratch(f"_sentiment/{name}.json", bad)
    assert board.readings() == ()
    board.put(index(40))
    assert len(board.readings()) == 1


def test_a_source_that_is_no_longer_configured_does_not_count(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    SentimentBoard(store).put(index(10))
    assert SentimentBoard(store, BoardRules(sources=frozenset())).reading("BTC/USD", NOW) is None
    assert SentimentBoard(store, BoardRules(sources=frozenset({"wire"}))).reading("BTC/USD", NOW) is None
    assert SentimentBoard(store, BoardRules(sources=frozenset({"fear_greed"}))).reading("BTC/USD", NOW) is not None


@dataclass(frozen=True)
class Told:
    """A source that says what it was told to, or fails."""

    name: str
    says: SourceReading | None

    def read(self, now: datetime) -> SourceReading:
        if self.says is None:
            raise RetryLater(f"{self.name} does not answer")
        return self.says


def test_a_source_that_fails_keeps_its_last_word_and_nothing_from_the_others(tmp_path: Path) -> None:
    board = SentimentBoard(open_store(str(tmp_path)), RULES)
    assert read_round([Told("wire", news(line(0.5, "BTC")))], board, NOW).answered == ("wire",)
    said = read_round([Told("wire", None), Told("fear_greed", index(40))], board, NOW)
    assert said.answered == ("fear_greed",)
    assert said.problems == {"wire": "wire does not answer"}
    said.require_an_answer()
    assert {reading.source for reading in board.readings()} == {"wire", "fear_greed"}


def test_a_round_in_which_nobody_answers_is_read_again_later_and_one_without_sources_is_not(tmp_path: Path) -> None:
    board = SentimentBoard(open_store(str(tmp_path)), RULES)
    with pytest.raises(RetryLater, match="wire does not answer"):
        read_round([Told("wire", None)], board, NOW).require_an_answer()
    read_round([], board, NOW).require_an_answer()


def test_a_symbol_nobody_speaks_of_is_shown_as_none_and_not_as_zero(tmp_path: Path) -> None:
    board = SentimentBoard(open_store(str(tmp_path)), RULES)
    read_round([Told("wire", news(line(0.5, "BTC")))], board, NOW)
    spoken, silent = heard_rows(board, ["BTC/USD", "ADA/USD"], NOW)
    assert float(spoken["score"]) > 0
    assert spoken["read at"] == "2024-05-01T11:55:00Z"
    assert (silent["score"], silent["read at"]) == ("none", "")
