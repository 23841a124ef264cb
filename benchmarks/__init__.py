"""Benchmarks beside peers: what Kracken costs on the same seeded data, in the same run, as the tools people would use instead.

Nothing here is imported by Kracken, and no test times anything.  ``make bench`` and the targets beside it run them; docs/performance.md
holds what they gave.
"""
