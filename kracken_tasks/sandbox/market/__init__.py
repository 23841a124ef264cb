"""The market behind the sandbox: one source of trades that drives every surface (OHLC, Trades, Ticker, Depth, matching).

- ``protocol``   what any market can be asked · ``opening`` from a setting to one · ``series`` one made of tapes of days
- ``synthetic``  seeded, with a past that need not have run: ``daily`` its days, ``peg`` a tether, ``noise`` randomness by key
- ``replay``     imported data on its own dates: ``imported`` the files, ``bars`` the trades that could have made a bar
- ``venue_view`` the same market as another venue shows it, ``basis`` how far its prices stray
- ``book``       everybody else's resting orders · ``pairs`` Kraken's names · ``aggregate`` trades into candles
- ``runs`` ``recent``   what was computed, kept
"""
