"""Kracken: from raw candles to a tax return, as scheduled, observable, restartable flows.

Rooms, in the order the data moves (each is plain Python; ``tasks.py`` in a room is its Prefect door):

- ``domain`` the words · ``errors`` by what to do · ``settings`` every setting once · ``wiring`` settings into adapters
- ``files`` whole files or none
- ``task_policy`` named Prefect options: what may be retried
- ``exchange`` the door to venues · ``sandbox`` a local exchange for real ccxt clients
- ``candles`` what is missing, fetched · ``feeds`` streams recorded · ``contracts`` what stored data promises · ``lake`` commits and reads
- ``features`` one recipe · ``forecast`` the LSTM and its registry
- ``signals`` opinions · ``strategies`` decisions · ``risk`` sizes and guards · ``execution`` brokers, reconcile, tick
- ``live`` real money, armed and checked
- ``ledger`` what happened, append-only · ``alerts`` who hears of it
- ``backtest`` rehearsal on Backtrader · ``analytics`` performance figures and plots
- ``journal`` the day in words · ``tax`` the year in gains · ``explain`` where a number came from
- ``paper`` the toolkit's paper account: a face on the rooms above
- ``local_stack`` what ``kracken up`` and ``kracken demo`` start and stop · ``cli`` the command

Nothing is imported here, so that each process loads only the rooms it uses.
"""
