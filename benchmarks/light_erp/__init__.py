"""A light stand-in for Tryton: it answers the calls by which the connector reads documents, from SQLite, over HTTP."""
