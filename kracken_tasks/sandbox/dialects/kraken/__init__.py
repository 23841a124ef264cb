"""Kraken's REST dialect: form or JSON bodies, signed, answered in its envelope with its own error strings."""
