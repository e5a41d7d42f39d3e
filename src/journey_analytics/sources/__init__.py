"""Sources: from files as delivered to typed events, with bad rows in quarantine.

Belongs here: mappings, readers for each format, and the SQL that is made from a mapping. That SQL runs on
DuckDB only: it ends where the portable models begin, at the table `events`.
"""
