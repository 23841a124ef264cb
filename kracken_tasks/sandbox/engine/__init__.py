"""The matching engine: orders, triggers, matching, fees and bookings, in integers only.  Knows no dialect."""
