import { useEffect, useState } from "preact/hooks";
import type { TaskDetail } from "../api/documents.ts";
import { sentence } from "../state/notices.ts";
import { count } from "../text/format.ts";
import { Panel } from "../ui/panel.tsx";
import { Empty } from "../ui/states.tsx";
import { LogView } from "./log-view.tsx";
import { type Log, useLog } from "./use-log.ts";

/** What the task's sessions did and printed. */
export function LogPanel({ task }: { task: TaskDetail }) {
  if (task.attempt > 0) return <FollowedLog task={task} />;
  return (
    <Panel title="Log">
      <Empty title="No session has begun." />
    </Panel>
  );
}

/** The same, followed as it grows. */
function FollowedLog({ task }: { task: TaskDetail }) {
  const [role, setRole] = useState("");
  const [chosen, setChosen] = useState(0);
  const [whole, setWhole] = useState(false);
  const [wanted, setWanted] = useState("");
  const [columns, setColumns] = useState(100);
  const attempt = chosen === 0 ? task.attempt : chosen;
  const log = useLog({ task: task.id, role, attempt, whole, columns, wanted });
  // A new session, or an end: there may be more, even in a log that had ended.
  // biome-ignore lint/correctness/useExhaustiveDependencies: these are what tells of it
  useEffect(() => log.poke(), [task.status, task.builder_session_id, task.validator_session_id]);
  return (
    <Panel title="Log" aside={<Told log={log} />} class="log-panel">
      <div class="log-tools">
        <select
          class="field"
          aria-label="Attempt"
          value={String(chosen)}
          onChange={(event) => setChosen(Number(event.currentTarget.value))}
        >
          <option value="0">latest attempt</option>
          {task.attempts.map(({ number }) => (
            <option key={number} value={String(number)}>
              attempt {number}
            </option>
          ))}
        </select>
        <select
          class="field"
          aria-label="Role"
          value={role}
          onChange={(event) => setRole(event.currentTarget.value)}
        >
          <option value="">both roles</option>
          <option value="builder">builder</option>
          <option value="validator">validator</option>
        </select>
        <input
          class="field"
          type="search"
          data-search
          placeholder="Only lines with…"
          aria-label="Only lines with"
          value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)}
        />
      </div>
      {log.cut && (
        <p class="log-cut small dim">
          This begins with the newest entries of each session.{" "}
          <button type="button" class="button small" onClick={() => setWhole(true)}>
            Load all
          </button>
        </p>
      )}
      {log.error !== null && <p class="bad small">{sentence(log.error)}</p>}
      <LogView log={log} onColumns={setColumns} />
    </Panel>
  );
}

function Told({ log }: { log: Log }) {
  const state = log.loading ? "loading…" : log.ended ? "ended" : "following";
  return (
    <span class="dim small" data-log={state} data-entries={log.entries}>
      {count(log.entries)} entries, {state}
    </span>
  );
}
