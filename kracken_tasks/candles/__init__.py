"""Which candles are missing, fetched, rebuilt from trades, or read from files: always one typed frame.

In: a venue's public half, the lake's list of holes, files on disk.  Out: candle frames (``domain.market.CANDLE_COLUMNS``), and in
words what could not be had.  Never: a running candle, a silently shorter answer, half a bad file, a trade lost or counted twice.

- ``windows``      ``plan``: the holes worth asking for, and those out of the source's reach
- ``sources``      which source fills a hole: the cheapest that can answer, and why not the others
- ``fetch``        ``fetch``: a plan carried out; what came late is a typed gap
- ``trade_pages``  a span of public trades, page by page · ``spool``  pages kept until their day is committed
- ``from_trades``  trades into candles · ``aggregate``  candles into coarser ones · ``lots``  sums to the last digit
- ``frames``       the frame itself: build, check, join
- ``names``        file names into series
- ``files``        ``discover`` and ``read``: archives and Parquet
- ``csv_files``    Kraken's headerless CSV, refused with a line number
- ``tables``       Parquet, and CSV with a header
- ``content``      bytes on disk or inside a zip
- ``staging``      rows and what is known of windows without one, staged
- ``ingestion``    plan, fetch, stage, check, commit: the whole way without Prefect
- ``backfill_plan``  what history lacks, where it comes from and what that costs · ``backfill``  day by day, resumable
"""
