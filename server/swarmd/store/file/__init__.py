"""The database file: opening, restore, checksums, WAL lineage, reserve."""
