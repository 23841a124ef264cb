"""Coinbase's Advanced Trade REST dialect: JSON bodies, ES256 tokens, orders that fail inside an HTTP 200."""
