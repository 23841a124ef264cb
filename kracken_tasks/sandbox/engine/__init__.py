"""The matching engine: orders, triggers, matching, fees and bookings, in integers only.  Knows no dialect.

- ``orders``    the request, the order as it lives, an execution, a ledger row
- ``desk``      requests judged and taken in · ``execution`` how an order arrives, rests, is set off, matches and ends
- ``engine``    everything between two moments, in order of time · ``triggers`` when the market next touches an order
- ``matching``  what a taker gets · ``fees`` what it pays · ``booking`` balances, holds, ledger rows
"""
