"""One recipe from candles to what a model sees, the same for training, backtest and live.

- ``frames``  the promised ways to hand over candles, into one checked form
- ``recipe``  ``compute_features``: versioned, stationary, blind to the future (imports TA-Lib)

In: candle frames.  Out: feature frames, row i known at the close of candle i.  Never: a fitted statistic, a label, I/O.
"""
