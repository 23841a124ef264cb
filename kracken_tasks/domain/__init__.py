"""The words of the trade: frozen values that every room shares.

In: plain arguments.  Out: immutable values with their reasons.  Never: I/O, settings, third-party libraries.

- ``clock``    the only reader of wall time, and the clock protocol everybody else is handed
- ``market``   timeframes, instruments, candle columns, quotes
- ``money``    the Decimal context; lots and ticks into Decimal
- ``receipts`` a size receipt in one line
- ``refs``     small references to data that travel between tasks instead of frames
- ``trading``  signals, orders, fills, positions, decisions
"""
