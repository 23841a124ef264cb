"""Kraken's dialect: REST, form or JSON bodies, signed, in its envelope with its own error strings; and WebSocket v2 beside it."""
