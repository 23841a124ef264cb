"""The market behind the sandbox: one source of trades that drives every surface (OHLC, Trades, Ticker, Depth, matching)."""
