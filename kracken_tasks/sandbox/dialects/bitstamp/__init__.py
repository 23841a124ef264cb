"""Bitstamp's REST dialect (API v2): form bodies signed with HMAC-SHA256, errors as ``{"status": "error", "reason": ...}``."""
