-- What each worker can enforce on sessions, as JSON; an empty object for a worker of an older version.
ALTER TABLE workers ADD COLUMN enforcement TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(enforcement));
