"""The error tree, sorted by what the caller should do.

    KrackenError
    ├── RetryLater      nothing happened: back off and retry        venue unreachable, rate limited, a time-out while reading
    ├── BadData         input breaks a promise: quarantine, go on   contract broken, a file with a bad line
    ├── TradeRefused    the venue said no, clearly: never retry     insufficient funds, below the minimum
    ├── StateUnknown    we cannot tell what happened: reconcile     a time-out while submitting an order, ledger mismatch
    └── Misconfigured   cannot be right: fail at start              missing secret, unknown key, live not armed

Errors carry fields (``error.fields``) beside the sentence and never inherit from a vendor's classes.  Secrets never enter either.
"""

from __future__ import annotations

__all__ = ["BadData", "KrackenError", "Misconfigured", "RetryLater", "StateUnknown", "TradeRefused"]


class KrackenError(Exception):
    """Root of Kracken's own errors: one sentence for people, named fields for programs."""

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (workers, result stores); keep the fields.
        return (_rebuild, (type(self), self.message, self.fields))


class RetryLater(KrackenError):
    """Nothing happened; the same call may be made again later."""


class BadData(KrackenError):
    """Input breaks a promise.  Fields name what and where (file, line, series, rule)."""


class TradeRefused(KrackenError):
    """The venue, or a rule that cannot be bent, refused an order.  It does not exist and is not retried."""


class StateUnknown(KrackenError):
    """An irreversible step may or may not have happened.  Stop trading what it touches and reconcile."""


class Misconfigured(KrackenError):
    """Settings or environment cannot be right.  Fields name file, key and what is allowed."""


def _rebuild(kind: type[KrackenError], message: str, fields: dict[str, object]) -> KrackenError:
    return kind(message, **fields)
