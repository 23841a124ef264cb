"""The tongues the sandbox speaks, one folder per venue: requests in, wire shapes out, all on top of a ``Venue``."""
