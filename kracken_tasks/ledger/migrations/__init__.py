"""The ledger's schema, version by version (Alembic); ``Ledger.open`` runs what is missing."""
