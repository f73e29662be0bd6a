-- Two ids never differ in case alone; and whoever brings tasks finds those of the same name without reading all.
CREATE UNIQUE INDEX tasks_by_folded_id ON tasks (lower(task_id));
