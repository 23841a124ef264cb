"""How a headline is scored: TextBlob's lexicon of English, and the words of the market that it does not know.

In: a headline.  Out: a score in [-1, 1], and the coins it names.  Never: TextBlob's shared lexicon changed; this room has its own copy.

TextBlob (kept, released 2026) brings a lexicon with negation and intensity in its package, without a download.  The better known
vaderSentiment was last released in 2020; NLTK's copy of it needs its lexicon downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

__all__ = ["MARKET_WORDS", "assets_in", "score"]

# Words whose sense on a market is plain and which general English lexicons leave neutral or turn around.
MARKET_WORDS: Final[Mapping[str, float]] = MappingProxyType(
    {word: value for value, words in (
        (0.7, "surge surges surged soar soars soared skyrockets bullish boom booms breakout"),
        (0.5, "rally rallies rallied jump jumps jumped gain gains gained rebound rebounds rebounded recovers recovery climbs climbed "
              "approval approved approves adoption adopts upgrade upgraded inflows accumulation outperforms"),
        (0.3, "rise rises rose partnership launches listing milestone halving buys optimism"),
        (-0.3, "dip dips fall falls fell slips slipped delay delayed delays outflows uncertainty caution volatility liquidation"),
        (-0.5, "drop drops dropped plunge tumble tumbles tumbled slump slumps slumped decline declines selloff sues sued lawsuit probe "
               "investigation ban bans banned outage halts halted layoffs fear fears liquidations bleeds"),
        (-0.7, "plunges plunged crash crashes crashed bearish hack hacked hacks exploit exploited scam fraud bankruptcy bankrupt insolvent "
               "collapse collapses collapsed stolen theft panic capitulation rug"),
    ) for word in words.split()}
)  # fmt: skip

_NAMES: Final = {
    "BTC": "bitcoin btc", "ETH": "ethereum ether eth", "SOL": "solana sol", "ADA": "cardano ada", "XRP": "xrp ripple",
    "DOGE": "dogecoin doge", "DOT": "polkadot dot", "LTC": "litecoin ltc", "LINK": "chainlink link", "AVAX": "avalanche avax",
    "BNB": "bnb binancecoin", "TRX": "tron trx", "UNI": "uniswap", "BCH": "bch", "XMR": "monero xmr",
}  # fmt: skip
_ASSET_OF: Final = {word: asset for asset, words in _NAMES.items() for word in words.split()}
_WORD: Final = re.compile(r"[a-z0-9]+")


def score(headline: str) -> float:
    """Mean polarity of the words that have one; 0 if none has.  Loads TextBlob with the first call (half a second)."""
    return max(-1.0, min(1.0, float(_lexicon()(headline.lower())[0])))


def assets_in(headline: str) -> tuple[str, ...]:
    """Coins a headline names, sorted."""
    return tuple(sorted({_ASSET_OF[word] for word in _WORD.findall(headline.lower()) if word in _ASSET_OF}))


@cache
def _lexicon() -> Any:
    from textblob import en

    made: Any = en.Sentiment  # the library has no types
    own = made(
        path=en.sentiment.path, synset="wordnet_id", negations=("no", "not", "n't", "never"), modifiers=("RB",),
        modifier=lambda word: word.endswith("ly"), tokenizer=en.parser.find_tokens, language="en",
    )  # fmt: skip
    own.load(own.path)
    for word, polarity in MARKET_WORDS.items():
        own.annotate(word, None, polarity, 1.0, 1.0)
    return own
