"""Great Expectations' own expectations, which once made do not change: each says what it is once, not hundreds of times a validation.

The library asks an expectation for its configuration at every turn, 1,400 times for sixteen expectations, and puts it together anew
each time: half of what a validation of few rows costs.  What is asked, how it is computed and what is answered are the library's.

In: the name of an expectation that the library knows.  Out: the name of the same one, settled.  Never: another result.
"""

from __future__ import annotations

import functools
from typing import Any

from great_expectations.compatibility.pydantic import PrivateAttr
from great_expectations.exceptions.exceptions import ExpectationNotFoundError
from great_expectations.expectations.registry import get_expectation_impl

__all__ = ["settled"]


@functools.cache
def settled(kind: str) -> str:
    """The settled expectation's name; the same name if the library knows no such expectation, for it to say so."""
    try:
        known: Any = get_expectation_impl(kind)
    except ExpectationNotFoundError:
        return kind

    def configuration(self: Any) -> Any:
        if self._said is None:
            self._said = known.configuration.fget(self)
        return self._said

    # A class made of another is the library's way to an expectation of one's own; it is known by its name from then on.
    made = type(known)(
        f"{known.__name__}Settled",
        (known,),
        {
            "__module__": __name__,
            "Config": type("Config", (), {"allow_mutation": False}),
            "_said": PrivateAttr(None),
            "configuration": property(configuration),
        },
    )
    return str(made.expectation_type)
