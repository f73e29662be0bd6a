-- Every statement of the server, by subject. A name begins with its table; parameters are named.
--
-- `{name}` stands for the text of the fragment with that name. `{rows}` stands for one or more rows of values; the
-- first list in parentheses of such a statement names the values of a row.

-- ── fragments ────────────────────────────────────────────────────────────────────────────────────

-- fragment: pause_columns
p.key, p.runner, p.worker, p.role, p.failure_class, p.fingerprint, p.cause, p.paused_us, p.task_ids, p.cooldown_s,
       p.failed_probes, p.half_open, p.probe_key,
       (SELECT t.task_id FROM attempts a JOIN tasks t ON t.key = a.task_key
         WHERE a.key = p.probe_key AND a.outcome IS NULL)

-- fragment: task_columns
-- The fields of a Task, in their order.
t.key, t.task_id, t.status, t.ready, t.unmet, t.policy, t.max_retries, t.attempt, t.failures, t.losses,
t.landing_failures, t.last_error, t.failure_class, t.cause, t.interrupted, t.backoff_s, t.started_us, t.completed_us, t.ready_us,
t.starts_at, t.work_of, t.creation, t.approve, t.approved, t.max_cost_nano + t.added_cost_nano,
t.max_tokens + t.added_tokens, t.retry_from

-- fragment: lease_columns
-- The fields of a Lease, in their order.
a.key, a.task_key, t.task_id, a.number, a.epoch, w.name, a.secret_hash

-- fragment: worker_columns
key, name, incarnation, instance, slots, labels, runner, host, pid, version, containment, opening, repository, target,
workspace, enforcement, draining, left_us

-- fragment: hold_columns
-- The fields of a Hold, in their order.
key, epoch, kind, text, options, attempt, held_by, since_us, ended_us, ended_by, answer, point, approved,
(SELECT b.kind FROM budgets b WHERE b.key = budget_key), (SELECT b.name FROM budgets b WHERE b.key = budget_key),
in_place

-- fragment: progress_columns
-- What a session has said about its progress, as JSON: text, percentage, time.
CASE WHEN s.progress_us IS NOT NULL THEN json_array(s.progress_text, s.progress_percent, s.progress_us) END

-- fragment: event_columns
-- The fields of an Event, in their order.
seq, happened_us, kind, task_id, status, attempt, worker, session_id, cause, actor, because

-- fragment: task_filter
-- The tasks that a list shows; an empty value fits all. instr, unlike LIKE, has no wildcards. :search is folded
-- already; `lower`, which knows ASCII only, is much faster than `folded`.
(:statuses = '[]' OR t.status IN (SELECT value FROM json_each(:statuses)))
   AND (:phase = '' OR t.phase = :phase)
   AND (:search = '' OR CASE WHEN :search_is_ascii
        THEN instr(lower(t.task_id), :search) OR instr(lower(t.name), :search)
        ELSE instr(folded(t.task_id), :search) OR instr(folded(t.name), :search) END)

-- ── swarm ────────────────────────────────────────────────────────────────────────────────────────

-- name: swarm_get
SELECT swarm_id, epoch, mode, cause, stop_generation FROM swarm;

-- name: swarm_real_work
SELECT real_work FROM swarm;

-- name: swarm_set_real_work
UPDATE swarm SET real_work = 1 WHERE real_work = 0;

-- name: swarm_rehearsed_tasks
-- How many completed tasks were rehearsed only.
SELECT count(DISTINCT r.task_key) FROM sessions s JOIN attempts r ON r.key = s.attempt_key
 WHERE s.runner = 'embedded' AND r.outcome = 'completed';

-- name: swarm_set_mode
UPDATE swarm SET mode = :mode, cause = :cause, stop_generation = stop_generation + :stops;

-- name: swarm_next_epoch
UPDATE swarm SET epoch = epoch + 1;

-- name: swarm_set_epoch
UPDATE swarm SET epoch = :epoch;

-- name: runner_pause_add
INSERT INTO runner_pauses (runner, worker, role, failure_class, fingerprint, cause, paused_us, task_ids, cooldown_s,
                           failed_probes, half_open)
VALUES (:runner, :worker, :role, :failure_class, :fingerprint, :cause, :now_us, :task_ids, :cooldown_s, 0, 0)
    ON CONFLICT DO NOTHING;

-- name: runner_pause_last_key
SELECT max(key) FROM runner_pauses;

-- name: runner_pause_all
-- The pauses, with the task of the probe that runs.
SELECT {pause_columns} FROM runner_pauses p ORDER BY p.runner, p.worker, p.key;

-- name: runner_pause_by_key
SELECT {pause_columns} FROM runner_pauses p WHERE p.key = :key;

-- name: runner_pause_covering
SELECT {pause_columns} FROM runner_pauses p WHERE p.runner = :runner AND p.worker IN ('', :worker) ORDER BY p.key;

-- name: runner_pause_close
UPDATE runner_pauses SET half_open = 0, probe_key = NULL, failed_probes = failed_probes + 1, cooldown_s = :cooldown_s,
       paused_us = :now_us
 WHERE key = :key;

-- name: runner_pause_set_tasks
UPDATE runner_pauses SET task_ids = :task_ids WHERE key = :key;

-- name: runner_pause_half_open
UPDATE runner_pauses SET half_open = 1 WHERE key = :key AND half_open = 0;

-- name: runner_pause_half_open_all
UPDATE runner_pauses SET half_open = 1 WHERE half_open = 0;

-- name: runner_pause_probe
UPDATE runner_pauses SET probe_key = :probe_key WHERE key = :key;

-- name: runner_pause_remove
DELETE FROM runner_pauses WHERE key = :key;

-- name: runner_fault_end_row
DELETE FROM runner_faults WHERE runner = :runner AND role = :role AND worker = :worker AND fingerprint <> :fingerprint;

-- name: runner_fault_add
INSERT INTO runner_faults (attempt_key, task_key, number, runner, worker, role, fingerprint, charged, alone)
VALUES (:attempt_key, :task_key, :number, :runner, :worker, :role, :fingerprint, :charged, 0) ON CONFLICT DO NOTHING;

-- name: runner_fault_hits
SELECT task_key, number, worker, charged, alone FROM runner_faults
 WHERE runner = :runner AND role = :role AND fingerprint = :fingerprint ORDER BY attempt_key;

-- name: runner_fault_forget
-- Forgets the failures in a row at one worker, or everywhere if its name is empty.
DELETE FROM runner_faults WHERE runner = :runner AND role = :role AND :worker IN ('', worker);

-- name: runner_fault_alone
UPDATE runner_faults SET alone = 1 WHERE runner = :runner AND role = :role AND alone = 0;

-- name: runner_fault_runners
SELECT runner FROM runner_pauses UNION SELECT runner FROM runner_faults;

-- name: swarm_counts
-- Counts the tasks of each status and adds up the hours estimated for them.
SELECT status, tasks, micro_hours / 1e6 FROM task_totals WHERE tasks > 0;

-- name: swarm_usage
SELECT sum(input_tokens), sum(output_tokens), CASE WHEN sum(priced) > 0 THEN sum(cost_nano) END FROM usage_totals;

-- name: swarm_has_open
-- Says whether some task can still make progress by itself: four look-ups in an index.
SELECT EXISTS (SELECT 1 FROM tasks WHERE status = 'not_started')
    OR EXISTS (SELECT 1 FROM tasks WHERE status = 'claimed')
    OR EXISTS (SELECT 1 FROM tasks WHERE status = 'in_progress')
    OR EXISTS (SELECT 1 FROM tasks WHERE status = 'killing');

-- ── lineage ──────────────────────────────────────────────────────────────────────────────────────

-- name: lineage_set_mark
UPDATE lineage SET before = mark, mark = lower(hex(randomblob(8)));

-- name: lineage_marks
SELECT before, mark FROM lineage;

-- name: lineage_mark
SELECT mark FROM lineage;

-- ── label_sets ───────────────────────────────────────────────────────────────────────────────────

-- name: label_set_all
SELECT key, labels FROM label_sets ORDER BY key;

-- name: label_set_add
INSERT INTO label_sets (labels) VALUES (:labels) ON CONFLICT DO NOTHING;

-- name: label_set_key
SELECT key FROM label_sets WHERE labels = :labels;

-- ── tasks ────────────────────────────────────────────────────────────────────────────────────────

-- name: task_by_key
SELECT {task_columns} FROM tasks t WHERE t.key = :key;

-- name: task_by_id
SELECT {task_columns} FROM tasks t WHERE t.task_id = :task_id;

-- name: task_dependents
-- Tasks that depend on this one, in the order of import.
SELECT {task_columns} FROM dependencies d JOIN tasks t ON t.key = d.task_key
 WHERE d.dependency_key = :key ORDER BY d.task_key;

-- name: task_behind
-- Tasks that depend on this one, directly or not, in the order of import.
WITH RECURSIVE behind (key) AS (
  SELECT task_key FROM dependencies WHERE dependency_key = :key
  UNION
  SELECT d.task_key FROM behind b JOIN dependencies d ON d.dependency_key = b.key)
SELECT {task_columns} FROM behind b JOIN tasks t ON t.key = b.key ORDER BY t.key;

-- name: task_edges_among
-- The dependencies between the tasks of :keys, a JSON array.
SELECT d.task_key, d.dependency_key FROM json_each(:keys) j CROSS JOIN dependencies d ON d.task_key = j.value
 WHERE d.dependency_key IN (SELECT value FROM json_each(:keys));

-- name: task_by_status
SELECT {task_columns} FROM tasks t WHERE t.status = :status ORDER BY t.key;

-- name: task_interrupted
SELECT {task_columns} FROM tasks t WHERE t.interrupted = 1 ORDER BY t.key;

-- name: task_in_backoff
-- Tasks that wait for their next attempt.
SELECT key, backoff_s FROM tasks WHERE backoff_s > 0;

-- name: task_ids_from
-- Ids that begin with :prefix, as a range of the index; :after is the prefix and the last code point.
SELECT task_id FROM tasks WHERE task_id >= :prefix AND task_id < :after ORDER BY task_id LIMIT :limit;

-- name: task_name
SELECT name FROM tasks WHERE task_id = :task_id;

-- name: task_keys
SELECT task_id, key, status FROM tasks;

-- name: task_insert
INSERT INTO tasks (key, task_id, name, phase, type, priority, estimated_hours, label_set_key, policy, max_retries,
                   exclusive, approve, status, ready, unmet, attempt, failures, losses, last_error, failure_class, cause,
                   interrupted, backoff_s, created_us, started_us, completed_us, ready_us, creation, max_cost_nano,
                   max_tokens)
VALUES (:key, :task_id, :name, :phase, :type, :priority, :estimated_hours, :label_set_key, :policy, :max_retries,
        :exclusive, :approve, :status, :ready, :unmet, 0, 0, 0, '', NULL, '', 0, 0, :now_us, NULL, :completed_us,
        CASE WHEN :ready THEN :now_us END, lower(hex(randomblob(8))), :max_cost_nano, :max_tokens);

-- name: task_last_key
-- The highest key of any task, removed ones included.
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'tasks'), 0);

-- name: task_named
-- Tasks with one of these ids, compared without regard to case; :ids is a JSON array in lower case.
SELECT t.task_id, t.key, t.status FROM json_each(:ids) j CROSS JOIN tasks t ON lower(t.task_id) = j.value;

-- name: task_redefine
-- Caps the counted failures at one more than the new budget. The task waits for no name that it no longer needs.
UPDATE tasks SET name = :name, phase = :phase, type = :type, priority = :priority,
       estimated_hours = :estimated_hours, label_set_key = :label_set_key, policy = :policy,
       max_retries = :max_retries, failures = min(failures, :max_retries + 1), exclusive = :exclusive, wait_key = 0,
       approve = :approve, max_cost_nano = :max_cost_nano, max_tokens = :max_tokens
 WHERE key = :key;

-- name: task_rename_landings
UPDATE tasks SET creation = lower(hex(randomblob(8))) WHERE key = :key;

-- name: task_save
-- `now_us` becomes the start of the wait of a task that was not ready before. A task that is not ready waits for no
-- name: it may need others when it is ready again.
WITH given (key, status, ready, unmet, attempt, failures, losses, landing_failures, last_error, failure_class, cause,
            interrupted, backoff_s, started_us, completed_us, starts_at, work_of, approved, retry_from, now_us) AS (VALUES {rows})
UPDATE tasks SET status = given.status, ready = given.ready, unmet = given.unmet, attempt = given.attempt,
       failures = given.failures, losses = given.losses, landing_failures = given.landing_failures,
       last_error = given.last_error, failure_class = given.failure_class, cause = given.cause,
       interrupted = given.interrupted,
       backoff_s = given.backoff_s, started_us = given.started_us, completed_us = given.completed_us,
       starts_at = given.starts_at, work_of = given.work_of, approved = given.approved,
       retry_from = given.retry_from,
       ready_us = CASE WHEN given.ready THEN coalesce(tasks.ready_us, given.now_us) END,
       wait_key = CASE WHEN given.ready THEN tasks.wait_key ELSE 0 END
  FROM given WHERE tasks.key = given.key;

-- name: task_set_label_set
UPDATE tasks SET label_set_key = :label_set_key, wait_key = 0 WHERE key = :key;

-- name: task_count_blocked_by
-- Counts the tasks that depend on this one and have not started.
SELECT count(*) FROM dependencies d JOIN tasks t ON t.key = d.task_key
 WHERE d.dependency_key = :key AND t.status = 'blocked';

-- name: task_make_ready
-- Ends the backoff, also of a task that has been blocked again meanwhile.
UPDATE tasks SET ready = (status = 'not_started'), backoff_s = 0,
       ready_us = CASE WHEN status = 'not_started' THEN :now_us END
 WHERE key = :key AND backoff_s > 0;

-- name: task_wait
WITH given (key, name) AS (VALUES {rows})
UPDATE tasks SET wait_key = n.key FROM given JOIN exclusive_names n ON n.name = given.name
 WHERE tasks.key = given.key AND tasks.ready = 1;

-- name: task_wait_for_plan
WITH given (key, wait_key) AS (VALUES {rows})
UPDATE tasks SET wait_key = given.wait_key FROM given WHERE tasks.key = given.key AND tasks.ready = 1;

-- name: task_clear
DELETE FROM tasks;

-- name: task_count
SELECT sum(tasks) FROM task_totals;

-- name: task_count_by_status
SELECT tasks FROM task_totals WHERE status = :status;

-- name: task_first_held
-- The first task that a worker holds, and the number of such tasks.
SELECT task_id, status, count(*) OVER () FROM tasks WHERE status IN ('claimed', 'in_progress', 'killing')
 ORDER BY key LIMIT 1;

-- name: task_count_unmet
-- Counts the unmet dependencies; for a task with the policy `run` any final status meets one.
SELECT count(*) FROM dependencies d JOIN tasks p ON p.key = d.dependency_key JOIN tasks t ON t.key = d.task_key
 WHERE d.task_key = :key AND p.status <> 'completed'
   AND NOT (t.policy = 'run' AND p.status IN ('failed', 'killed', 'skipped'));

-- name: task_dead_dependency
-- The first dependency that can no longer complete.
SELECT p.task_id, p.status FROM dependencies d JOIN tasks p ON p.key = d.dependency_key
 WHERE d.task_key = :key AND p.status IN ('failed', 'killed', 'skipped') ORDER BY d.position LIMIT 1;

-- name: task_unmet_dependencies
SELECT p.task_id, p.status FROM dependencies d JOIN tasks p ON p.key = d.dependency_key
 WHERE d.task_key = :key AND p.status <> 'completed' ORDER BY d.position;

-- name: task_ready
-- The claimable tasks of one set of labels that wait for the same name, the best first: the head of a partial index.
SELECT {task_columns}, t.priority, t.exclusive, t.told FROM tasks t
 WHERE t.ready = 1 AND t.label_set_key = :label_set_key AND t.wait_key = :wait_key
 ORDER BY t.priority DESC, t.key LIMIT :limit OFFSET :after;

-- name: task_offer
-- Says whether claims may be given and which runners get none, or one; lists the label sets with a claimable task by one
-- look-up in the index for each set, and those of tasks that wait for a name which has room, or for the budget of a plan,
-- by one more for each. The last value says whether there is any shared budget.
SELECT s.epoch, s.mode, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'attempts'), 0),
       (SELECT coalesce(max(key), 0) FROM label_sets),
       (SELECT json_group_array(l.key) FROM label_sets l WHERE EXISTS
          (SELECT 1 FROM tasks WHERE ready = 1 AND label_set_key = l.key AND wait_key = 0)),
       (SELECT json_group_array(json_array(l.key, n.key)) FROM exclusive_names n CROSS JOIN label_sets l
         WHERE n.waiting > 0 AND n.held < n.capacity AND EXISTS
          (SELECT 1 FROM tasks WHERE ready = 1 AND label_set_key = l.key AND wait_key = n.key)),
       (SELECT json_group_array(json_array(l.key, -b.key)) FROM budgets b CROSS JOIN label_sets l
         WHERE b.kind = 'plan' AND EXISTS
          (SELECT 1 FROM tasks WHERE ready = 1 AND label_set_key = l.key AND wait_key = -b.key)),
       (SELECT json_group_array(json_array(p.key, p.runner, p.worker, p.half_open AND NOT EXISTS
          (SELECT 1 FROM attempts WHERE key = p.probe_key AND outcome IS NULL))) FROM runner_pauses p),
       EXISTS (SELECT 1 FROM budgets)
  FROM swarm s;

-- ── pools ────────────────────────────────────────────────────────────────────────────────────────

-- name: pool_held
-- The number of leases of each worker that has one, with its labels.
SELECT w.labels, count(*) FROM attempts a JOIN workers w ON w.key = a.worker_key
 WHERE a.outcome IS NULL GROUP BY a.worker_key;

-- name: pool_ready
-- The number of claimable tasks of each set of labels, at most :most, without those that wait for an exclusive name.
SELECT l.labels, (SELECT count(*) FROM
         (SELECT 1 FROM tasks WHERE ready = 1 AND label_set_key = l.key AND wait_key = 0 LIMIT :most))
  FROM label_sets l;

-- name: pool_admissible
-- For each name that has room: how many of the tasks that wait for it may have it, by their labels.
SELECT l.labels, min(n.capacity - n.held, (SELECT count(*) FROM
         (SELECT 1 FROM tasks WHERE ready = 1 AND label_set_key = l.key AND wait_key = n.key LIMIT :most)))
  FROM exclusive_names n CROSS JOIN label_sets l WHERE n.waiting > 0 AND n.held < n.capacity;

-- ── exclusive names ──────────────────────────────────────────────────────────────────────────────

-- name: name_add
INSERT INTO exclusive_names (name) VALUES {rows} ON CONFLICT DO NOTHING;

-- name: name_hold
WITH given (attempt_key, name) AS (VALUES {rows})
INSERT INTO held_names (attempt_key, name_key)
SELECT given.attempt_key, n.key FROM given JOIN exclusive_names n ON n.name = given.name;

-- name: name_room
SELECT key, capacity - held FROM exclusive_names WHERE name = :name;

-- name: name_key
SELECT key FROM exclusive_names WHERE name = :name;

-- name: name_overlapping
-- The held paths that are one of :paths or a folder of one (:around has both), or lie in one: '0' follows '/'.
SELECT n.name FROM json_each(:around) j CROSS JOIN exclusive_names n
 WHERE n.name = j.value AND n.held > 0
UNION ALL
SELECT n.name FROM json_each(:paths) j CROSS JOIN exclusive_names n
 WHERE n.name > j.value || '/' AND n.name < j.value || '0' AND n.held > 0
 LIMIT :limit;

-- name: name_holders
SELECT n.name, t.task_id, w.name, a.claimed_us
  FROM json_each(:names) j CROSS JOIN exclusive_names n ON n.name = j.value
  JOIN held_names h ON h.name_key = n.key JOIN attempts a ON a.key = h.attempt_key
  JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
 ORDER BY a.claimed_us, a.key LIMIT :limit;

-- name: name_set_capacity
INSERT INTO exclusive_names (name, capacity, is_set) VALUES (:name, :capacity, 1)
    ON CONFLICT (name) DO UPDATE SET capacity = excluded.capacity, is_set = 1;

-- name: name_capacities
SELECT name, capacity FROM exclusive_names WHERE is_set = 1 ORDER BY name;

-- name: name_clear
DELETE FROM exclusive_names;

-- ── definitions and dependencies ─────────────────────────────────────────────────────────────────

-- name: definition_set
INSERT INTO definitions (task_key, body) VALUES (:key, :body)
    ON CONFLICT (task_key) DO UPDATE SET body = excluded.body;

-- name: definition_get
SELECT body FROM definitions WHERE task_key = :key;

-- name: definition_by_id
SELECT d.body FROM tasks t JOIN definitions d ON d.task_key = t.key WHERE t.task_id = :task_id;

-- name: definition_all
SELECT t.status, d.body FROM tasks t JOIN definitions d ON d.task_key = t.key ORDER BY t.key;

-- name: dependency_add
INSERT INTO dependencies (task_key, dependency_key, position) VALUES (:task_key, :dependency_key, :position);

-- name: dependency_clear
DELETE FROM dependencies WHERE task_key = :key;

-- name: dependency_edges
SELECT t.task_id, p.task_id FROM dependencies d JOIN tasks t ON t.key = d.task_key
  JOIN tasks p ON p.key = d.dependency_key;

-- ── attempts ─────────────────────────────────────────────────────────────────────────────────────

-- name: attempt_add
INSERT INTO attempts (key, task_key, number, epoch, secret_hash, worker_key, claimed_us, error, target_key, first_base,
                      work_of, account, reserved_cost_nano, reserved_tokens, starts_at)
VALUES {rows};

-- name: attempt_by_lease
-- The task, then its lease of that number, open or not; the last value but one says whether tasks share budgets.
SELECT {task_columns}, {lease_columns}, a.claimed_us, a.outcome, a.digest, a.target_key, a.landing_place,
       a.work_of, a.over_budget, EXISTS (SELECT 1 FROM budgets), a.starts_at
  FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
 WHERE a.task_key = :task_key AND a.number = :number;

-- name: attempt_open
-- Every open lease with the status of its task.
SELECT {lease_columns}, t.status, t.cause, s.mode, a.over_budget
  FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key JOIN swarm s
 WHERE a.outcome IS NULL ORDER BY a.key;

-- name: attempt_ended
SELECT t.task_id, a.number, a.epoch, w.name, w.runner, a.claimed_us, a.started_us, a.ended_us, a.outcome,
       coalesce(a.failure_class, '')
  FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
 WHERE t.task_id = :task_id AND a.number = :number AND a.ended_us IS NOT NULL;

-- name: attempt_open_of_worker
SELECT {lease_columns}
  FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
 WHERE a.worker_key = :worker_key AND a.outcome IS NULL ORDER BY a.key;

-- name: attempt_open_count
SELECT count(*) FROM attempts WHERE worker_key = :worker_key AND outcome IS NULL;

-- name: attempt_start
WITH given (key, started_us) AS (VALUES {rows})
UPDATE attempts SET started_us = coalesce(attempts.started_us, given.started_us)
  FROM given WHERE attempts.key = given.key;

-- name: attempt_end
WITH given (key, ended_us, outcome, failure_class, error, report, digest) AS (VALUES {rows})
UPDATE attempts SET ended_us = given.ended_us, outcome = given.outcome, failure_class = given.failure_class,
       error = given.error, report = given.report, digest = given.digest
  FROM given WHERE attempts.key = given.key AND attempts.outcome IS NULL;

-- name: attempt_last_report
-- The report of the latest attempt that started and reported: input of the next builder.
SELECT report FROM attempts WHERE task_key = :task_key AND report IS NOT NULL AND outcome <> 'released'
 ORDER BY number DESC LIMIT 1;

-- name: attempt_interruptions
-- How many of the latest :most attempts before this one were interrupted.
SELECT count(*) FROM (SELECT failure_class FROM attempts
  WHERE task_key = :task_key AND number < :number ORDER BY number DESC LIMIT :most) WHERE failure_class = 'interrupted';

-- name: attempt_findings
-- The ids of the findings of the latest rejected attempts, the latest first.
SELECT (SELECT json_group_array(f.value ->> 'finding_id') FROM json_each(a.report, '$.verdict.findings') f)
  FROM attempts a
 WHERE a.task_key = :task_key AND a.failure_class = 'validation_failed' AND a.report IS NOT NULL
 ORDER BY a.number DESC LIMIT :limit;

-- name: attempt_survivors
-- The processes of the latest attempt that could not be ended, and the worker whose machine they run on.
SELECT json_extract(a.report, '$.kill_receipt.survivors'), w.name
  FROM attempts a JOIN workers w ON w.key = a.worker_key
 WHERE a.task_key = :task_key AND a.report IS NOT NULL
 ORDER BY a.number DESC LIMIT 1;

-- name: attempt_results_of_dependencies
-- The reports of the completed dependencies, in the order of the definition: of each the attempt that did the work.
SELECT p.task_id, p.name, a.report FROM dependencies d JOIN tasks p ON p.key = d.dependency_key
  JOIN attempts a ON a.task_key = p.key AND a.outcome = 'completed' AND a.number =
       (SELECT CASE WHEN c.work_of THEN c.work_of ELSE c.number END FROM attempts c
         WHERE c.task_key = p.key AND c.outcome = 'completed' ORDER BY c.number DESC LIMIT 1)
 WHERE d.task_key = :task_key ORDER BY d.position;

-- name: late_result_add
INSERT INTO late_results (attempt_key, received_us, kind, failure_class, error, report, digest)
VALUES (:attempt_key, :now_us, :kind, :failure_class, :error, :report, :digest) ON CONFLICT DO NOTHING;

-- name: late_result_completed
SELECT a.key, l.report, l.digest FROM late_results l JOIN attempts a ON a.key = l.attempt_key
 WHERE a.task_key = :task_key AND a.number = :number AND l.kind = 'completed' ORDER BY l.key DESC LIMIT 1;

-- name: attempt_in_project_root
SELECT coalesce((SELECT target_key IS NULL FROM attempts WHERE task_key = :task_key AND started_us IS NOT NULL
                  ORDER BY number DESC LIMIT 1), 0);

-- name: attempt_started_after
SELECT EXISTS (SELECT 1 FROM attempts WHERE task_key = :task_key AND number > :number AND started_us IS NOT NULL);

-- name: attempt_accept
-- The only change of an ended attempt: its late result counts.
UPDATE attempts SET outcome = 'completed', failure_class = NULL, error = '', report = :report, digest = :digest
 WHERE key = :key AND outcome IS NOT NULL;

-- ── landings ─────────────────────────────────────────────────────────────────────────────────────

-- name: target_add
INSERT INTO targets (repository, target, tip, tip_place, places, landed, found)
VALUES (:repository, :target, '', 0, 0, 0, 0)
    ON CONFLICT DO NOTHING;

-- name: target_key
SELECT key FROM targets WHERE repository = :repository AND target = :target;

-- name: target_tip
SELECT tip FROM targets WHERE key = :key;

-- name: target_learn
-- Counts the landing of a completed attempt, and notes it as the tip unless a later one is known. A landing that was
-- found is that of an earlier attempt of the task, which had the right.
UPDATE targets SET tip = CASE WHEN targets.tip = '' OR given.place > targets.tip_place THEN given.landed ELSE tip END,
       tip_place = max(tip_place, given.place),
       landed = targets.landed + given.moved, found = targets.found + given.was_found
  FROM (SELECT a.target_key, json_extract(a.report, '$.landing.commit') AS landed,
               json_extract(a.report, '$.landing.found') IS TRUE AS was_found,
               coalesce(json_extract(a.report, '$.landing.onto') <> json_extract(a.report, '$.landing.commit'), 0)
                 AS moved,
               coalesce(CASE WHEN json_extract(a.report, '$.landing.found')
                        THEN (SELECT max(b.landing_place) FROM attempts b
                               WHERE b.task_key = a.task_key AND b.target_key = a.target_key)
                        ELSE a.landing_place END, 0) AS place
          FROM attempts a WHERE a.key = :attempt_key AND a.outcome = 'completed') given
 WHERE targets.key = given.target_key AND given.landed IS NOT NULL;

-- name: target_totals
SELECT coalesce(sum(landed), 0), coalesce(sum(found), 0) FROM targets;

-- name: landing_first_base
-- The commit of the last landing that the server knows, since the task may do more after a person rejected that; else
-- the base of the task's first attempt in a clone with that target.
SELECT coalesce(
  (SELECT json_extract(report, '$.landing.commit') FROM attempts
    WHERE task_key = :task_key AND target_key = :target_key AND outcome = 'completed'
      AND json_extract(report, '$.landing') IS NOT NULL ORDER BY number DESC LIMIT 1),
  (SELECT first_base FROM attempts
    WHERE task_key = :task_key AND target_key = :target_key ORDER BY number LIMIT 1));

-- name: landing_take_place
UPDATE targets SET places = places + 1 WHERE key = :target_key;

-- name: landing_ask
UPDATE attempts SET landing_place = (SELECT places FROM targets WHERE key = attempts.target_key)
 WHERE key = :attempt_key AND landing_place IS NULL AND outcome IS NULL;

-- name: landing_grant
UPDATE attempts SET landing_since_us = :now_us WHERE key = :attempt_key AND landing_since_us IS NULL;

-- name: landing_turn
-- The number of attempts before this one, and the tip of the target.
SELECT (SELECT count(*) FROM attempts b WHERE b.target_key = a.target_key AND b.landing_place < a.landing_place
           AND b.landing_place IS NOT NULL AND b.outcome IS NULL), t.tip, t.target, a.landing_since_us
  FROM attempts a JOIN targets t ON t.key = a.target_key WHERE a.key = :attempt_key;

-- name: landing_next
-- The attempt whose turn it is.
SELECT task_key, number FROM attempts WHERE target_key = :target_key AND landing_place IS NOT NULL AND outcome IS NULL
 ORDER BY landing_place LIMIT 1;

-- name: landing_before
-- The attempts that want to land and were there before this place, the first of them first.
SELECT t.task_id, w.name, a.landing_since_us
  FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
 WHERE a.target_key = :target_key AND a.landing_place < :place AND a.landing_place IS NOT NULL AND a.outcome IS NULL
 ORDER BY a.landing_place;

-- name: landing_waiting
-- How many attempts want to land.
SELECT count(*) FROM attempts WHERE landing_place IS NOT NULL AND outcome IS NULL;

-- name: change_set
INSERT INTO changes (attempt_key, base, head, summary) VALUES (:attempt_key, :base, :head, :summary)
    ON CONFLICT (attempt_key) DO UPDATE SET base = excluded.base, head = excluded.head, summary = excluded.summary;

-- name: change_last_head
-- The last commit of the task's latest attempt that reported one. Work that has landed is in the tip already.
SELECT c.head FROM changes c JOIN attempts a ON a.key = c.attempt_key
 WHERE a.task_key = :task_key AND c.head <> ''
   AND a.number > coalesce((SELECT max(number) FROM attempts WHERE task_key = :task_key AND outcome = 'completed'
                               AND json_extract(report, '$.landing') IS NOT NULL), 0)
 ORDER BY a.number DESC LIMIT 1;

-- name: landing_accepted_work
-- The work of the task's completed attempt, and how it landed. An attempt that lands or judges earlier work has no change
-- of its own.
SELECT a.number, json_extract(a.report, '$.landing') IS NOT NULL, a.target_key IS NOT NULL, coalesce(g.repository, ''),
       coalesce(c.base, ''), coalesce(c.head, ''), coalesce(json_extract(c.summary, '$.ref'), ''),
       coalesce((SELECT session_id FROM sessions WHERE attempt_key = b.key AND role = 'builder'
                  ORDER BY key DESC LIMIT 1), '')
  FROM attempts a LEFT JOIN targets g ON g.key = a.target_key
  LEFT JOIN attempts b ON b.task_key = a.task_key AND b.number = iif(a.work_of, a.work_of, a.number)
  LEFT JOIN changes c ON c.attempt_key = b.key
 WHERE a.task_key = :task_key AND a.outcome = 'completed' ORDER BY a.number DESC LIMIT 1;

-- name: landing_latest_work
-- The work that the latest attempt with a go has left or judged. An attempt that lands work has left none.
SELECT b.number, b.target_key IS NOT NULL, b.outcome = 'completed', coalesce(g.repository, ''), coalesce(c.base, ''),
       coalesce(c.head, ''), coalesce(json_extract(c.summary, '$.ref'), ''),
       coalesce((SELECT session_id FROM sessions WHERE attempt_key = b.key AND role = 'builder'
                  ORDER BY key DESC LIMIT 1), ''), coalesce(b.report, '{}'),
       EXISTS (SELECT 1 FROM attempts v WHERE v.task_key = b.task_key AND b.number IN (v.number, v.work_of)
                  AND json_extract(v.report, '$.verdict.passed'))
  FROM attempts b LEFT JOIN targets g ON g.key = b.target_key LEFT JOIN changes c ON c.attempt_key = b.key
 WHERE b.task_key = :task_key AND b.number =
       (SELECT iif(a.work_of, a.work_of, a.number) FROM attempts a
         WHERE a.task_key = :task_key AND a.number = coalesce(:number, a.number)
           AND (:number IS NOT NULL OR (a.starts_at <> 'landing' AND a.started_us IS NOT NULL
                AND (a.work_of > 0 OR a.target_key IS NULL
                     OR EXISTS (SELECT 1 FROM changes WHERE attempt_key = a.key)))) ORDER BY a.number DESC LIMIT 1);

-- name: change_rejected_before
-- The latest attempt before :number that had a go; its patch and report, if it was rejected.
SELECT a.number, a.failure_class, iif(a.failure_class = 'validation_failed', p.patch, NULL), a.report
  FROM attempts a LEFT JOIN patches p ON p.attempt_key = a.key
 WHERE a.task_key = :task_key AND a.number < :number AND a.started_us IS NOT NULL ORDER BY a.number DESC LIMIT 1;

-- name: patch_set
INSERT INTO patches (attempt_key, patch) VALUES (:attempt_key, :patch)
    ON CONFLICT (attempt_key) DO UPDATE SET patch = excluded.patch;

-- name: patch_clear
DELETE FROM patches WHERE attempt_key = :attempt_key;

-- name: change_of_attempt
-- The change of one attempt with its patch; of the latest attempt with a change if :number is 0.
SELECT a.number, c.summary, p.patch
  FROM attempts a JOIN changes c ON c.attempt_key = a.key LEFT JOIN patches p ON p.attempt_key = a.key
 WHERE a.task_key = :task_key AND (:number = 0 OR a.number = :number) ORDER BY a.number DESC LIMIT 1;

-- ── artifacts ────────────────────────────────────────────────────────────────────────────────────

-- name: artifact_add
INSERT INTO artifacts (attempt_key, name, sha256, size, stored_us) VALUES (:attempt_key, :name, :sha256, :size, :now_us);

-- name: artifact_remove
DELETE FROM artifacts WHERE attempt_key = :attempt_key AND name = :name;

-- name: artifact_usage
-- What the task has besides the artifact of this attempt and name, and the size of all artifacts of all tasks.
SELECT count(*), coalesce(sum(r.size), 0), (SELECT bytes FROM artifact_totals WHERE key = 1)
  FROM attempts a JOIN artifacts r ON r.attempt_key = a.key
 WHERE a.task_key = :task_key AND NOT (r.attempt_key = :attempt_key AND r.name = :name);

-- name: artifacts_of_task
-- The artifacts of one attempt, of all attempts if :number is 0.
SELECT a.number, r.name, r.size, r.sha256, r.stored_us
  FROM attempts a JOIN artifacts r ON r.attempt_key = a.key
 WHERE a.task_key = :task_key AND (:number = 0 OR a.number = :number) ORDER BY a.number DESC, r.name;

-- name: artifact_named
-- The artifact of that name, of the latest attempt that has one if :number is 0.
SELECT a.number, r.name, r.size, r.sha256, r.stored_us
  FROM attempts a JOIN artifacts r ON r.attempt_key = a.key
 WHERE a.task_key = :task_key AND r.name = :name AND (:number = 0 OR a.number = :number)
 ORDER BY a.number DESC LIMIT 1;

-- name: artifact_contents
-- The contents that some artifact has.
SELECT DISTINCT sha256 FROM artifacts;

-- name: artifact_expire
-- Removes the oldest artifacts from before a time, :most at a time.
DELETE FROM artifacts WHERE key IN
  (SELECT key FROM artifacts WHERE stored_us < :before_us ORDER BY stored_us LIMIT :most);

-- ── sessions ─────────────────────────────────────────────────────────────────────────────────────

-- name: session_find
-- The session with that id, of any task.
SELECT key, attempt_key, role, started_us, ended_us FROM sessions WHERE session_id = :session_id;

-- name: session_rename
-- The key makes the id one that no worker can choose.
UPDATE sessions SET session_id = session_id || ' (taken by session ' || key || ')' WHERE key = :key;

-- name: session_add
INSERT INTO sessions (session_id, task_key, attempt_key, role, runner, started_us, input_tokens, output_tokens,
                      token_id, token_hash)
VALUES {rows};

-- name: session_tokens
-- The tokens of sessions that run, with the leases of their attempts.
SELECT s.token_id, s.token_hash, s.session_id, s.role, {lease_columns}
  FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
  JOIN sessions s ON s.attempt_key = a.key
 WHERE a.outcome IS NULL AND s.ended_us IS NULL AND s.token_id <> '' ORDER BY s.key;

-- name: session_progress
UPDATE sessions SET progress_text = :text, progress_percent = :percent, progress_us = :now_us WHERE key = :key;

-- name: session_progress_us
-- When the session last said how far it is.
SELECT progress_us FROM sessions WHERE key = :key;

-- name: follow_up_add
INSERT INTO follow_ups (task_key, parent_key, session_key) VALUES (:task_key, :parent_key, :session_key);

-- name: follow_up_list
-- The tasks that sessions of a task have filed, with their definitions.
SELECT t.task_id, f.session_key, d.body
  FROM follow_ups f JOIN tasks t ON t.key = f.task_key JOIN definitions d ON d.task_key = t.key
 WHERE f.parent_key = :parent_key ORDER BY f.task_key;

-- name: follow_up_depth
-- How many ancestors of the task have filed it, one the other.
WITH RECURSIVE above (key) AS (
  SELECT parent_key FROM follow_ups WHERE task_key = :task_key
  UNION ALL
  SELECT f.parent_key FROM above JOIN follow_ups f ON f.task_key = above.key)
SELECT count(*) FROM above;

-- name: session_end
WITH given (key, ended_us, exit_code) AS (VALUES {rows})
UPDATE sessions SET ended_us = given.ended_us, exit_code = given.exit_code
  FROM given WHERE sessions.key = given.key AND sessions.ended_us IS NULL;

-- name: session_end_of_attempt
-- Ends the sessions of an attempt whose own end was not reported; `key` is the attempt's.
WITH given (key, ended_us) AS (VALUES {rows})
UPDATE sessions SET ended_us = given.ended_us
  FROM given WHERE sessions.attempt_key = given.key AND sessions.ended_us IS NULL;

-- name: session_use
-- Reports come in any order; usage only grows.
WITH given (key, input_tokens, output_tokens, cost_nano) AS (VALUES {rows})
UPDATE sessions SET input_tokens = max(sessions.input_tokens, given.input_tokens),
       output_tokens = max(sessions.output_tokens, given.output_tokens),
       cost_nano = CASE WHEN given.cost_nano IS NULL THEN sessions.cost_nano
                        ELSE max(coalesce(sessions.cost_nano, 0), given.cost_nano) END
  FROM given WHERE sessions.key = given.key;

-- name: session_log_add
INSERT INTO session_log (session_key, number, logged_us, kind, text) VALUES {rows} ON CONFLICT DO NOTHING;

-- name: session_log_trim
-- Keeps the first :head and the last :tail entries.
DELETE FROM session_log WHERE session_key = :session_key AND number > :head AND number <= :newest - :tail;

-- name: session_log_after
-- :last leaves out numbers that no cursor can express.
SELECT number, logged_us, kind, text FROM session_log
 WHERE session_key = :session_key AND number > :after AND number <= :last
   AND (:kind = '' OR kind = :kind)
   AND (:search = '' OR instr(CASE WHEN :search_is_ascii THEN lower(text) ELSE folded(text) END, :search))
 ORDER BY number LIMIT :limit;

-- name: session_log_tail
-- The number before the newest :tail entries.
SELECT coalesce(min(number), 1) - 1 FROM
  (SELECT number FROM session_log WHERE session_key = :session_key ORDER BY number DESC LIMIT :tail);

-- name: session_of_task
SELECT s.key, s.session_id, s.role, a.number FROM sessions s JOIN attempts a ON a.key = s.attempt_key
 WHERE s.task_key = :task_key ORDER BY s.key;

-- ── workers ──────────────────────────────────────────────────────────────────────────────────────

-- name: worker_by_name
SELECT {worker_columns} FROM workers WHERE name = :name;

-- name: worker_all
SELECT {worker_columns} FROM workers ORDER BY name;

-- name: worker_upsert
INSERT INTO workers
  (name, incarnation, instance, slots, labels, runner, host, pid, version, containment, draining, opening,
   repository, target, workspace, enforcement)
VALUES
  (:name, :incarnation, :instance, :slots, :labels, :runner, :host, :pid, :version, :containment, 0, :opening,
   :repository, :target, :workspace, :enforcement)
ON CONFLICT (name) DO UPDATE SET incarnation = :incarnation, instance = :instance, slots = :slots,
   labels = :labels, runner = :runner, host = :host, pid = :pid, version = :version,
   containment = :containment, left_us = NULL, opening = :opening,
   repository = :repository, target = :target, workspace = :workspace, enforcement = :enforcement,
   draining = CASE WHEN incarnation = excluded.incarnation THEN draining ELSE 0 END,
   drain_s = CASE WHEN incarnation = excluded.incarnation THEN drain_s END;

-- name: worker_set_draining
UPDATE workers SET draining = 1, drain_s = :drain_s WHERE key = :key;

-- name: worker_drain_s
SELECT drain_s FROM workers WHERE name = :name AND draining;

-- name: worker_drains
SELECT name, drain_s FROM workers WHERE draining AND drain_s IS NOT NULL AND left_us IS NULL ORDER BY name;

-- name: worker_set_left
UPDATE workers SET left_us = :now_us WHERE key = :key AND left_us IS NULL;

-- name: worker_delete_left
DELETE FROM workers WHERE left_us < :before_us
   AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.worker_key = workers.key);

-- ── tokens ───────────────────────────────────────────────────────────────────────────────────────

-- fragment: token_columns
token_id, role, name, secret_hash, created_us, revoked_us, kind, expires_us, labels, max_uses, uses, used_us,
       coalesce(joined_by, ''), worker, instance

-- name: token_insert
INSERT INTO tokens (token_id, role, name, secret_hash, created_us, kind, expires_us, labels, max_uses, used_us, joined_by,
                    worker, instance)
VALUES (:token_id, :role, :name, :secret_hash, :now_us, :kind, :expires_us, :labels, :max_uses, :used_us, :joined_by,
        :worker, :instance) ON CONFLICT DO NOTHING;

-- name: token_all
SELECT {token_columns} FROM tokens ORDER BY created_us, token_id;

-- name: token_by_id
SELECT {token_columns} FROM tokens WHERE token_id = :token_id;

-- name: token_revoke
UPDATE tokens SET revoked_us = coalesce(revoked_us, :now_us) WHERE token_id = :token_id;

-- name: token_count_use
UPDATE tokens SET uses = uses + 1, used_us = :now_us WHERE token_id = :token_id;

-- name: token_set_used
UPDATE tokens SET used_us = :now_us WHERE token_id = :token_id;

-- name: token_idle_credentials
-- Credentials without use since then, whose worker is not here.
SELECT token_id FROM tokens t
 WHERE kind = 'credential' AND used_us < :before_us AND NOT EXISTS
   (SELECT 1 FROM workers w WHERE w.name = t.worker AND w.instance = t.instance AND w.left_us IS NULL)
   AND NOT EXISTS (SELECT 1 FROM logins l WHERE l.token_id = t.token_id);

-- name: token_delete
DELETE FROM tokens WHERE token_id = :token_id;

-- ── logins ───────────────────────────────────────────────────────────────────────────────────────

-- name: login_insert
INSERT INTO logins (secret_hash, token_id, expires_us) VALUES (:secret_hash, :token_id, :expires_us);

-- name: login_all
SELECT secret_hash, token_id, expires_us FROM logins;

-- name: login_delete
DELETE FROM logins WHERE secret_hash = :secret_hash;

-- name: login_delete_expired
DELETE FROM logins WHERE expires_us <= :now_us;

-- ── events ───────────────────────────────────────────────────────────────────────────────────────

-- name: event_add
INSERT INTO events (happened_us, kind, task_id, status, attempt, worker, session_id, cause, actor, because) VALUES {rows};

-- name: event_last
SELECT coalesce(max(seq), 0) FROM events;

-- name: event_after
SELECT {event_columns} FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: event_after_of_task
SELECT {event_columns} FROM events WHERE task_id = :task_id AND task_id <> '' AND seq > :after
 ORDER BY seq LIMIT :limit;

-- ── readers ──────────────────────────────────────────────────────────────────────────────────────

-- name: reader_seq
SELECT seq FROM readers WHERE name = :name;

-- name: reader_all
SELECT name, seq FROM readers ORDER BY name;

-- name: reader_save
INSERT INTO readers (name, seq) VALUES (:name, :seq) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq;

-- ── holds ────────────────────────────────────────────────────────────────────────────────────────

-- name: hold_begin
INSERT INTO holds (epoch, task_key, attempt, kind, text, options, held_by, since_us, ended_by, answer, point,
                   budget_key, in_place)
SELECT epoch, :task_key, :attempt, :kind, :text, :options, :held_by, :now_us, '', '', :point, :budget_key, :in_place
  FROM swarm;

-- name: hold_park
-- A question in place that holds its task from now on, also if it was answered.
UPDATE holds SET in_place = 0, ended_us = NULL WHERE key = :key AND in_place = 1;

-- name: hold_answer_in_place
UPDATE holds SET ended_us = :now_us, ended_by = :ended_by, answer = :answer
 WHERE key = :key AND ended_us IS NULL AND in_place = 1;

-- name: hold_in_place
-- The latest question in place of an attempt.
SELECT {hold_columns} FROM holds
 WHERE task_key = :task_key AND attempt = :attempt AND in_place = 1 ORDER BY key DESC LIMIT 1;

-- name: hold_end
UPDATE holds SET ended_us = :now_us, ended_by = :ended_by, answer = :answer, approved = :approved
 WHERE task_key = :task_key AND ended_us IS NULL AND in_place = 0;

-- name: hold_lasting
SELECT {hold_columns} FROM holds WHERE task_key = :task_key AND ended_us IS NULL AND in_place = 0;

-- name: hold_find
SELECT {hold_columns} FROM holds WHERE key = :key AND epoch = :epoch AND task_key = :task_key;

-- name: hold_of_task
-- The latest holds of a task.
SELECT {hold_columns} FROM holds WHERE task_key = :task_key ORDER BY key DESC LIMIT :limit;

-- name: hold_answered
-- The latest answered holds of a task.
SELECT {hold_columns} FROM holds WHERE task_key = :task_key AND answer <> '' ORDER BY key DESC LIMIT :limit;

-- name: hold_rejections
-- The rejections of the task's latest accepted work, or of its start: the latest first.
SELECT {hold_columns} FROM holds
 WHERE task_key = :task_key AND kind = 'approval' AND answer <> ''
   AND attempt >= coalesce((SELECT max(number) FROM attempts WHERE task_key = :task_key AND outcome = 'completed'), 0)
 ORDER BY key DESC LIMIT :limit;

-- name: hold_counts
-- Reads the index of lasting holds alone, however many have ended.
SELECT kind, count(*) FROM holds WHERE ended_us IS NULL GROUP BY kind;

-- name: hold_inbox
-- Held tasks, the longest held first.
SELECT t.key FROM tasks t JOIN holds h ON h.task_key = t.key AND h.ended_us IS NULL
 WHERE t.status IN ('held', 'in_progress') ORDER BY h.since_us, h.key LIMIT :limit;

-- name: hold_waiting
-- How many tasks wait for this one, directly or not, and their estimated hours.
WITH RECURSIVE behind (key) AS (
  SELECT d.task_key FROM dependencies d JOIN tasks t ON t.key = d.task_key
   WHERE d.dependency_key = :task_key AND t.status = 'blocked'
  UNION
  SELECT d.task_key FROM behind b JOIN dependencies d ON d.dependency_key = b.key
    JOIN tasks t ON t.key = d.task_key WHERE t.status = 'blocked'
  LIMIT :limit)
SELECT count(*), coalesce(sum(t.estimated_hours), 0.0) FROM behind b JOIN tasks t ON t.key = b.key;

-- name: budget_spent_by_task
-- With it a runner whose sessions succeeded without a cost, and one whose sessions succeeded without tokens.
SELECT coalesce(sum(cost_nano), 0), coalesce(sum(input_tokens + output_tokens), 0),
       coalesce(max(CASE WHEN exit_code = 0 AND cost_nano IS NULL AND runner <> 'embedded' THEN runner END), ''),
       coalesce(max(CASE WHEN exit_code = 0 AND input_tokens + output_tokens = 0 THEN runner END), '')
  FROM sessions WHERE task_key = :task_key;

-- name: budget_raise
-- Adds to caps that the task has; a task without one has nothing to add to.
UPDATE tasks SET added_cost_nano = added_cost_nano + :add_cost_nano, added_tokens = added_tokens + :add_tokens
 WHERE key = :task_key;

-- name: attempt_over_budget
UPDATE attempts SET over_budget = 1 WHERE key = :key;

-- name: budget_shared
-- All shared budgets with their caps and what is spent. What was added to a day counts on that day alone.
SELECT b.key, b.kind, b.name,
       b.max_cost_nano + CASE WHEN b.kind <> 'day' OR b.added_day = w.day THEN b.added_cost_nano ELSE 0 END,
       b.max_tokens + CASE WHEN b.kind <> 'day' OR b.added_day = w.day THEN b.added_tokens ELSE 0 END,
       CASE b.kind WHEN 'plan' THEN b.spent_cost_nano
         WHEN 'day' THEN (SELECT coalesce(sum(cost_nano), 0) FROM spending WHERE day = w.day)
         ELSE (SELECT coalesce(sum(cost_nano), 0) FROM spending WHERE account = b.name) END,
       CASE b.kind WHEN 'plan' THEN b.spent_tokens
         WHEN 'day' THEN (SELECT coalesce(sum(tokens), 0) FROM spending WHERE day = w.day)
         ELSE (SELECT coalesce(sum(tokens), 0) FROM spending WHERE account = b.name) END,
       b.reached
  FROM budgets b JOIN swarm w ORDER BY b.kind = 'account', b.kind = 'plan', b.name;

-- name: budget_reserved
-- What open attempts have reserved and not spent yet, by plan and account.
SELECT plan_key, account, sum(max(0, cost)), sum(max(0, tokens)) FROM (
  SELECT t.plan_key, a.account, a.reserved_cost_nano - coalesce(sum(s.cost_nano), 0) AS cost,
         a.reserved_tokens - coalesce(sum(s.input_tokens + s.output_tokens), 0) AS tokens
    FROM attempts a JOIN tasks t ON t.key = a.task_key LEFT JOIN sessions s ON s.attempt_key = a.key
   WHERE a.outcome IS NULL GROUP BY a.key)
 GROUP BY plan_key, account;

-- name: budget_spending
-- What all sessions have used, and what they have used today.
SELECT coalesce(sum(s.cost_nano), 0), coalesce(sum(s.tokens), 0),
       coalesce(sum(CASE WHEN s.day = w.day THEN s.cost_nano END), 0),
       coalesce(sum(CASE WHEN s.day = w.day THEN s.tokens END), 0)
  FROM spending s JOIN swarm w;

-- name: budget_scope
-- The plan, the type and the phase of a task.
SELECT plan_key, type, phase FROM tasks WHERE key = :key;

-- name: budget_examples
-- What the latest ended attempts of tasks of this type and phase have used, of the last :most attempts of all.
SELECT coalesce(sum(s.cost_nano), 0), coalesce(sum(s.input_tokens + s.output_tokens), 0)
  FROM (SELECT key, task_key FROM attempts WHERE outcome IN ('completed', 'failed') ORDER BY key DESC LIMIT :most) a
  JOIN tasks t ON t.key = a.task_key JOIN sessions s ON s.attempt_key = a.key
 WHERE t.type = :type AND t.phase = :phase AND s.runner <> 'embedded' GROUP BY a.key;

-- name: budget_set
-- Sets the caps of a shared budget; what people have added stays.
INSERT INTO budgets (kind, name, max_cost_nano, max_tokens) VALUES (:kind, :name, :max_cost_nano, :max_tokens)
    ON CONFLICT (kind, name) DO UPDATE SET max_cost_nano = excluded.max_cost_nano, max_tokens = excluded.max_tokens;

-- name: budget_key
SELECT key FROM budgets WHERE kind = :kind AND name = :name;

-- name: budget_remove
DELETE FROM budgets WHERE key = :key;

-- name: budget_clear_plans
DELETE FROM budgets WHERE kind = 'plan';

-- name: budget_add_shared
UPDATE budgets SET
  added_cost_nano = CASE WHEN kind = 'day' AND added_day <> w.day THEN 0 ELSE added_cost_nano END + :cost_nano,
  added_tokens = CASE WHEN kind = 'day' AND added_day <> w.day THEN 0 ELSE added_tokens END + :tokens,
  added_day = w.day
  FROM swarm w WHERE key = :key;

-- name: budget_set_day
UPDATE swarm SET day = :day WHERE day <> :day;

-- name: budget_reach
UPDATE budgets SET reached = :reached WHERE key = :key AND reached <> :reached;

-- name: budget_awaited
-- The reached budgets for which a ready task still waits.
SELECT b.key FROM budgets b WHERE b.reached = 1 AND EXISTS
  (SELECT 1 FROM tasks t WHERE t.ready = 1 AND (b.kind <> 'plan' OR t.plan_key = b.key));

-- name: budget_join
-- Puts tasks into a plan; :ids is a JSON array of task ids.
UPDATE tasks SET plan_key = :key FROM json_each(:ids) j WHERE tasks.task_id = j.value AND tasks.plan_key <> :key;

-- name: budget_recount
-- Sums up what the sessions of a plan have used; a task may have come from elsewhere.
UPDATE budgets SET
  spent_cost_nano = (SELECT coalesce(sum(s.cost_nano), 0) FROM tasks t JOIN sessions s ON s.task_key = t.key
                      WHERE t.plan_key = budgets.key),
  spent_tokens = (SELECT coalesce(sum(s.input_tokens + s.output_tokens), 0)
                    FROM tasks t JOIN sessions s ON s.task_key = t.key WHERE t.plan_key = budgets.key)
 WHERE kind = 'plan';

-- name: budget_stop_waiting
UPDATE tasks SET wait_key = 0 WHERE ready = 1 AND wait_key = :wait_key;

-- name: budget_held
-- The tasks that are held for a shared budget.
SELECT {task_columns} FROM holds h JOIN tasks t ON t.key = h.task_key
 WHERE h.budget_key = :key AND h.ended_us IS NULL AND t.status = 'held' ORDER BY t.key;

-- name: budget_orphaned
-- The tasks that are held for a shared budget which is gone.
SELECT {task_columns} FROM holds h JOIN tasks t ON t.key = h.task_key
 WHERE h.budget_key > 0 AND h.ended_us IS NULL AND t.status = 'held'
   AND NOT EXISTS (SELECT 1 FROM budgets b WHERE b.key = h.budget_key) ORDER BY t.key;

-- name: budget_open_attempts
-- The open attempts that a shared budget covers, and that were not ordered to end for a cap.
SELECT {lease_columns} FROM attempts a JOIN tasks t ON t.key = a.task_key JOIN workers w ON w.key = a.worker_key
 WHERE a.outcome IS NULL AND a.over_budget = 0 AND a.work_of = 0
   AND CASE :kind WHEN 'plan' THEN t.plan_key = :key WHEN 'account' THEN a.account = :name ELSE 1 END;

-- name: attempt_account
SELECT account FROM attempts WHERE key = :key;

-- name: note_add
INSERT INTO notes (task_key, text, author, noted_us) VALUES (:task_key, :text, :author, :now_us);

-- name: note_of_task
SELECT text, author, noted_us FROM notes WHERE task_key = :task_key ORDER BY key;

-- ── totals ───────────────────────────────────────────────────────────────────────────────────────

-- name: total_tasks
-- Tasks and claimable tasks of each status; every status has a row.
SELECT status, tasks, ready FROM task_totals ORDER BY status;

-- name: total_oldest_ready
-- The time at which the longest waiting claimable task became ready: one look-up in an index.
SELECT min(ready_us) FROM tasks WHERE ready = 1;

-- name: total_usage
SELECT role, sessions, input_tokens, output_tokens, cost_nano FROM usage_totals ORDER BY role;

-- name: total_attempts
SELECT outcome, failure_class, attempts FROM attempt_totals ORDER BY outcome, failure_class;

-- ── views ────────────────────────────────────────────────────────────────────────────────────────

-- name: view_tasks
-- Tasks as a list shows them, in the order of :keys, a JSON array.
SELECT t.key, t.task_id, t.name, t.status, t.phase, t.type, t.priority, t.attempt, t.max_retries,
       coalesce(w.name, ''),
       coalesce((SELECT session_id FROM sessions WHERE attempt_key = a.key AND role = 'builder'
                  ORDER BY key DESC LIMIT 1), ''),
       coalesce((SELECT session_id FROM sessions WHERE attempt_key = a.key AND role = 'validator'
                  ORDER BY key DESC LIMIT 1), ''),
       t.last_error, t.failure_class, t.cause, t.estimated_hours, t.created_us, t.started_us, t.completed_us,
       coalesce((SELECT sum(input_tokens) FROM sessions WHERE task_key = t.key), 0),
       coalesce((SELECT sum(output_tokens) FROM sessions WHERE task_key = t.key), 0),
       (SELECT sum(cost_nano) FROM sessions WHERE task_key = t.key),
       (SELECT json_group_array(json_array(p.task_id, p.status) ORDER BY d.position)
          FROM dependencies d JOIN tasks p ON p.key = d.dependency_key WHERE d.task_key = t.key),
       CASE WHEN t.status = 'killed' THEN json_extract(a.report, '$.kill_receipt') END,
       EXISTS (SELECT 1 FROM sessions s JOIN attempts r ON r.key = s.attempt_key
                WHERE s.task_key = t.key AND s.runner = 'embedded'
                  AND (r.number = t.attempt OR r.outcome = 'completed')),
       CASE WHEN t.status = 'completed' THEN (SELECT json_extract(c.report, '$.landing') FROM attempts c
         WHERE c.task_key = t.key AND c.outcome = 'completed' ORDER BY c.number DESC LIMIT 1) END,
       CASE WHEN t.status = 'completed' THEN
         (SELECT CASE WHEN json_extract(c.report, '$.landing') IS NULL THEN json_extract(k.summary, '$.ref') END
            FROM attempts c LEFT JOIN attempts b ON b.task_key = c.task_key AND b.number = iif(c.work_of, c.work_of, c.number)
            LEFT JOIN changes k ON k.attempt_key = b.key
           WHERE c.task_key = t.key AND c.outcome = 'completed' ORDER BY c.number DESC LIMIT 1) END,
       t.starts_at, t.work_of, t.max_cost_nano + t.added_cost_nano, t.max_tokens + t.added_tokens,
       CASE WHEN t.status IN ('held', 'in_progress') THEN (SELECT json_array({hold_columns}) FROM holds
         WHERE task_key = t.key AND ended_us IS NULL) END,
       (SELECT sum(ended_us - started_us) FROM attempts WHERE task_key = t.key),
       coalesce((SELECT b.name FROM budgets b WHERE b.key = t.plan_key), ''),
       CASE WHEN t.status IN ('in_progress', 'killing') THEN
         (SELECT {progress_columns} FROM sessions s WHERE s.attempt_key = a.key ORDER BY s.key DESC LIMIT 1) END
  FROM json_each(:keys) wanted
  CROSS JOIN tasks t ON t.key = wanted.value
  LEFT JOIN attempts a ON a.task_key = t.key AND a.number = t.attempt
  LEFT JOIN workers w ON w.key = a.worker_key
 ORDER BY wanted.key;

-- name: view_task_keys
-- A page of the tasks that fit the filter, in the order of import.
SELECT t.key FROM tasks t
 WHERE t.key > :after
   AND {task_filter}
 ORDER BY t.key LIMIT :limit;

-- name: view_task_keys_sorted
-- A page in another order, descending if :down: each task with its sort value. A page begins after the last value
-- and key of the page before; a missing value counts as the smallest.
SELECT key, place FROM (
  SELECT t.key, CASE :sort
         WHEN 'id' THEN t.task_id WHEN 'phase' THEN t.phase WHEN 'priority' THEN t.priority
         WHEN 'status' THEN instr('held blocked not_started claimed in_progress killing completed failed killed skipped',
                                  t.status)
         WHEN 'created_at' THEN t.created_us WHEN 'started_at' THEN coalesce(t.started_us, 0)
         WHEN 'completed_at' THEN coalesce(t.completed_us, 0)
         WHEN 'name' THEN t.name WHEN 'attempt' THEN t.attempt
         WHEN 'worker' THEN coalesce((SELECT w.name FROM attempts a JOIN workers w ON w.key = a.worker_key
                                       WHERE a.task_key = t.key AND a.number = t.attempt), '')
         WHEN 'took' THEN (SELECT coalesce(sum(coalesce(ended_us, :now_us) - started_us), -1) FROM attempts
                            WHERE task_key = t.key)
         WHEN 'cost' THEN (SELECT coalesce(sum(cost_nano), -1) FROM sessions WHERE task_key = t.key) END AS place
    FROM tasks t
   WHERE {task_filter})
 WHERE :place IS NULL
    OR CASE WHEN :down THEN (place, key) < (:place, :after) ELSE (place, key) > (:place, :after) END
 ORDER BY CASE WHEN :down THEN NULL ELSE place END, CASE WHEN :down THEN place END DESC,
          CASE WHEN :down THEN -key ELSE key END
 LIMIT :limit;

-- name: view_task_matches
-- The status of every task that fits the filter, in the order of import.
SELECT t.key, t.task_id, t.status FROM tasks t
 WHERE {task_filter}
 ORDER BY t.key;

-- name: view_task_matches_named
-- The status of the tasks with :task_ids, a JSON array; unknown ids are skipped.
SELECT t.key, t.task_id, t.status FROM json_each(:task_ids) wanted CROSS JOIN tasks t ON t.task_id = wanted.value
 ORDER BY wanted.key;

-- name: view_task_keys_waiting
-- Tasks that wait for one of :task_ids, a JSON array.
SELECT DISTINCT t.key FROM json_each(:task_ids) wanted CROSS JOIN tasks p ON p.task_id = wanted.value
  JOIN dependencies d ON d.dependency_key = p.key JOIN tasks t ON t.key = d.task_key
 WHERE t.status IN ('blocked', 'skipped') LIMIT :limit;

-- name: view_task_keys_held
-- Tasks that workers hold, the longest held first.
SELECT key FROM tasks WHERE status IN ('claimed', 'in_progress', 'killing') ORDER BY started_us, key LIMIT :limit;

-- name: view_task_keys_failed
-- Tasks that failed for good, the latest first.
SELECT key FROM tasks WHERE status = 'failed' ORDER BY completed_us DESC, key DESC LIMIT :limit;

-- name: view_usage_of_held
-- Usage of the tasks that workers hold.
SELECT t.task_id, sum(s.input_tokens), sum(s.output_tokens), sum(s.cost_nano)
  FROM tasks t JOIN sessions s ON s.task_key = t.key
 WHERE t.status IN ('in_progress', 'killing') GROUP BY t.key LIMIT :limit;

-- name: view_tasks_total
SELECT count(*) FROM tasks t
 WHERE {task_filter};

-- name: view_attempts
SELECT a.key, a.number, w.name, a.outcome, a.failure_class, a.error, a.claimed_us, a.started_us, a.ended_us, a.report,
       c.summary, a.work_of, a.starts_at
  FROM attempts a JOIN workers w ON w.key = a.worker_key LEFT JOIN changes c ON c.attempt_key = a.key
 WHERE a.task_key = :key ORDER BY a.number;

-- name: view_sessions
SELECT attempt_key, session_id, role, runner, started_us, ended_us, exit_code, input_tokens, output_tokens,
       cost_nano, {progress_columns}
  FROM sessions s WHERE task_key = :key ORDER BY key;

-- name: view_late_results
SELECT l.attempt_key, l.received_us, l.kind, l.failure_class, l.error, l.report
  FROM late_results l JOIN attempts a ON a.key = l.attempt_key WHERE a.task_key = :key ORDER BY l.key;

-- ── charts ───────────────────────────────────────────────────────────────────────────────────────

-- name: chart_nodes
-- Tasks, of one phase if :phase is not null.
SELECT task_id, name, phase, status FROM tasks WHERE :phase IS NULL OR phase = :phase ORDER BY key;

-- name: chart_edges
-- Dependencies as (before, after), within one phase if :phase is not null.
SELECT p.task_id, t.task_id FROM dependencies d JOIN tasks t ON t.key = d.task_key
  JOIN tasks p ON p.key = d.dependency_key
 WHERE :phase IS NULL OR (t.phase = :phase AND p.phase = :phase) ORDER BY d.task_key, d.position;

-- name: chart_phases
SELECT phase, status, count(*) FROM tasks GROUP BY phase, status ORDER BY min(key);

-- name: chart_phase_edges
-- Counts the dependencies from one phase to another.
SELECT p.phase, t.phase, count(*) FROM dependencies d JOIN tasks t ON t.key = d.task_key
  JOIN tasks p ON p.key = d.dependency_key WHERE p.phase <> t.phase GROUP BY p.phase, t.phase;

-- name: chart_sessions
-- Sessions that ran at some time from :since_us to :until_us, the newest first.
SELECT t.task_id, a.number, s.role, w.name, s.started_us, s.ended_us, a.outcome
  FROM sessions s JOIN attempts a ON a.key = s.attempt_key JOIN tasks t ON t.key = s.task_key
  JOIN workers w ON w.key = a.worker_key
 WHERE s.started_us < :until_us AND coalesce(s.ended_us, :until_us) >= :since_us
 ORDER BY s.key DESC LIMIT :limit;

-- name: costs
-- The usage of the sessions that began from :since_us on, by what :by names; :offset_us makes days local.
SELECT CASE :by WHEN 'phase' THEN t.phase WHEN 'role' THEN s.role WHEN 'runner' THEN s.runner
            WHEN 'worker' THEN w.name
            ELSE date((s.started_us + :offset_us) / 1000000, 'unixepoch') END AS name,
       count(*), sum(s.input_tokens), sum(s.output_tokens), sum(s.cost_nano), count(*) - count(s.cost_nano)
  FROM sessions s JOIN tasks t ON t.key = s.task_key JOIN attempts a ON a.key = s.attempt_key
  JOIN workers w ON w.key = a.worker_key
 WHERE s.started_us >= :since_us GROUP BY 1
 ORDER BY CASE WHEN :by = 'day' THEN 0 ELSE coalesce(sum(s.cost_nano), 0) END DESC,
          CASE WHEN :by = 'day' THEN 0 ELSE sum(s.input_tokens + s.output_tokens) END DESC, 1;

-- name: chart_outcomes
-- Counts the attempts that completed and failed in each bucket of :bucket_us since :since_us.
SELECT (ended_us - :since_us) / :bucket_us, outcome, count(*) FROM attempts
 WHERE ended_us >= :since_us AND outcome IN ('completed', 'failed') GROUP BY 1, 2;

-- name: chart_ended_tasks
-- Counts the tasks that completed and failed for good in each bucket of :bucket_us since :since_us.
SELECT (completed_us - :since_us) / :bucket_us, status, count(*) FROM tasks
 WHERE status IN ('completed', 'failed') AND completed_us >= :since_us GROUP BY 1, 2;

-- name: chart_durations
-- The median duration of the sessions that ended in each bucket, by role.
SELECT bucket, role, avg(took_us) FROM (
  SELECT (ended_us - :since_us) / :bucket_us AS bucket, role, ended_us - started_us AS took_us,
         row_number() OVER (PARTITION BY (ended_us - :since_us) / :bucket_us, role
                            ORDER BY ended_us - started_us) AS place,
         count(*) OVER (PARTITION BY (ended_us - :since_us) / :bucket_us, role) AS number
    FROM sessions WHERE ended_us >= :since_us)
 WHERE place IN ((number + 1) / 2, (number + 2) / 2) GROUP BY bucket, role;
