"""Task lists of other tools as plans: one module a format, and what the formats share."""
