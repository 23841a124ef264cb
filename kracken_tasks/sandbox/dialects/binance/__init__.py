"""Binance's spot REST dialect: query or form arguments signed with HMAC-SHA256, errors as ``{"code": -1121, "msg": ...}``."""
