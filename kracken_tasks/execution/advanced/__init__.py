"""Advanced orders: stops, targets, trailing stops, one-cancels-the-other and brackets over one position a symbol.

In: a broker, the ledger, what a person or a program wants to rest.  Out: ``Exits`` and ``Bracket``: what rests now, what was done for it.
Never: a sale of more than is held, a stop lowered unasked, terms that live in memory alone.

What is wanted is written first, as the position's plan in the ledger; then the venue is brought in line with it.  A process that dies in
between leaves a plan that the next look carries out, whoever looks: ``AdvancedOrders.watch`` or a trading tick.

- ``prices``, ``wishes``  what a person asks for, as a plan
- ``forms``    the order that should rest for a plan, native where the venue has the kind
- ``keeping``  the venue brought in line: kinds, trails, a target that was reached, entries that have lost their sense
- ``entries``  the entry of a bracket, once per key
- ``orders``   ``AdvancedOrders``, the face
- ``views``    what it answers
"""

from kracken_tasks.execution.advanced.orders import AdvancedOrders
from kracken_tasks.execution.advanced.views import Bracket, Exits, Watch

__all__ = ["AdvancedOrders", "Bracket", "Exits", "Watch"]
