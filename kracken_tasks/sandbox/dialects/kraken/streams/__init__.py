"""Kraken's WebSocket v2: what REST answers when asked, told as it happens."""
