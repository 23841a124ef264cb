"""Flows: one a file, each a list of doors in the order the data moves.  No arithmetic, no I/O.

``ingest_ohlcv`` · ``backfill_history`` · ``stream_market`` · ``retrain_lstm`` · ``run_backtest`` · ``trading_tick``
· ``nightly_exports`` · ``check_day`` · ``maintain_lake`` · ``read_sentiment``

When they run stands in ``prefect.yaml``; what they do stands in the rooms behind the doors (``kracken_tasks/<room>/tasks.py``).
"""
