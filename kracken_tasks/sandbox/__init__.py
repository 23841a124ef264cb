"""A local exchange that unmodified ccxt clients talk to over HTTP.  Stands apart: imports only ``domain``."""
