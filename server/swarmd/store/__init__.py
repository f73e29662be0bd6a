"""The only place that speaks SQLite: the schema, the queries, and rows as domain values."""
