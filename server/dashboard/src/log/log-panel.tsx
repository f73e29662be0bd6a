import { useEffect, useRef, useState } from "preact/hooks";
import type { TaskDetail } from "../api/documents.ts";
import { sentence } from "../state/notices.ts";
import { route } from "../state/route.ts";
import { count } from "../text/format.ts";
import { Panel } from "../ui/panel.tsx";
import { Empty } from "../ui/states.tsx";
import { LogLegend } from "./log-row.tsx";
import { LogView } from "./log-view.tsx";
import { type LogQuery, readLogQuery, showLog } from "./query.ts";
import { SaveLog } from "./save-log.tsx";
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
  const query = readLogQuery(route.value.query);
  const { role, attempt: chosen, q: wanted, line, open } = query;
  const [asked, setWhole] = useState(false);
  const whole = asked || line > 0;
  const show = (change: Partial<LogQuery>) => showLog(task.id, change);
  const [columns, setColumns] = useState(100);
  const attempt = chosen === 0 ? task.attempt : chosen;
  const log = useLog({ task: task.id, role, attempt, whole, columns, wanted, open });
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
          onChange={(event) => show({ attempt: Number(event.currentTarget.value) })}
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
          onChange={(event) => show({ role: event.currentTarget.value })}
        >
          <option value="">both roles</option>
          <option value="builder">builder</option>
          <option value="validator">validator</option>
        </select>
        <Search wanted={wanted} ask={(q) => show({ q })} />
        <button type="button" class="button" aria-pressed={open} onClick={() => show({ open: !open })}>
          {open ? "Close all" : "Open all"}
        </button>
        <SaveLog task={task.id} attempt={attempt} query={query} />
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
      <LogView
        key={`${role} ${attempt} ${wanted}`}
        log={log}
        onColumns={setColumns}
        line={line}
        link={(cursor) => show({ line: cursor, attempt })}
      />
      <LogLegend />
    </Panel>
  );
}

const TYPED_MS = 250;

/** A field whose text the server looks for, once the typing rests. */
function Search({ wanted, ask }: { wanted: string; ask: (q: string) => void }) {
  const [typed, setTyped] = useState(wanted);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (typed === wanted) return undefined;
    const timer = window.setTimeout(() => latest.current(typed), TYPED_MS);
    return () => window.clearTimeout(timer);
  }, [typed, wanted]);
  return (
    <input
      class="field"
      type="search"
      data-search
      placeholder="Only lines with…"
      aria-label="Only lines with"
      value={typed}
      onInput={(event) => setTyped(event.currentTarget.value)}
    />
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
