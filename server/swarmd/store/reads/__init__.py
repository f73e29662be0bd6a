"""Queries that only read: views, pages, charts, totals."""
