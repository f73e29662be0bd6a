-- Whose order an event is, and why they say it was given. Empty for what no person ordered.
ALTER TABLE events ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN because TEXT NOT NULL DEFAULT '';
