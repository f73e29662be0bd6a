"""The only package that uses SQLite: schema, queries, and rows as domain values."""
