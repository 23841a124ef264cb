"""A local exchange that unmodified ccxt clients talk to over HTTP.  Stands apart: imports only ``domain``.

- ``server``   one process, one port · ``config`` what it is started with · ``embedded`` the same market without a server
- ``venue``    a market, its clock, its engine and its disk · ``profiles`` what each of the four lists and charges
- ``market``   where prices come from · ``engine`` what becomes of orders · ``dialects`` how each venue speaks
- ``listing``  pairs, minimums, fees · ``assets`` · ``amounts`` exact integers · ``ids`` the same in every identical run
- ``clock``    market time · ``state`` memory between requests · ``store`` the disk
- ``limits``   how often a client may knock · ``faults`` misbehaviour on command · ``control`` the back door · ``sockets`` who is connected
- ``news``     headlines and an index to try sentiment on · ``client_config`` what a ccxt client must be told; the one public part
"""
