"""A real process that signs with a key shared by others: ``python -m tests.support.signing FILE CALLS OPTIONS``.

In: the file of the shared counters (``-`` for none), how many private calls to make, ccxt's options as JSON.  Out: a line of JSON: how many
were answered, and every refusal.  Never: a retry.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kracken_tasks.errors import KrackenError
from kracken_tasks.exchange.rates import RateBudget
from kracken_tasks.exchange.rates.sqlite import SqliteCounters
from kracken_tasks.exchange.venue import CcxtVenue


def main() -> int:
    file, calls, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    budget = RateBudget(None if file == "-" else SqliteCounters(Path(file)))
    venue = CcxtVenue("kraken", options, budget=budget)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    refused = []
    for _ in range(calls):
        try:
            venue.balances()
        except KrackenError as error:
            refused.append(str(error.fields.get("venue_text") or error))
    sys.stdout.write(json.dumps({"answered": calls - len(refused), "refused": refused}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
