import { useEffect } from "preact/hooks";
import type { ProgramSigns, Reason, Status, TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { status, workers } from "../../live/store.ts";
import { useLoad } from "../../state/load.ts";
import { taskHref } from "../../state/route.ts";
import { clock, nothingNew } from "../../text/format.ts";
import { localized } from "../../text/localized.ts";
import { visible } from "../../text/visible.ts";
import { WAITING } from "../../text/words.ts";
import { Panel } from "../../ui/panel.tsx";

const EVERY_MS = 5000;
const SHOWN = 40;
const TITLES: Partial<Record<Status, string>> = {
  skipped: "Why it was skipped",
  in_progress: "Where its landing is",
};

/** Why a task that waits is not running: the server's own reasons, by which it gives claims. */
export function WhyPanel({ task }: { task: TaskDetail }) {
  const waits = WAITING.has(task.status) || task.status === "skipped" || task.status === "in_progress";
  return waits ? <Why task={task} /> : null;
}

function Why({ task }: { task: TaskDetail }) {
  const { value, reload } = useLoad(`${task.id} ${task.status}`, () => api.explain(task.id), EVERY_MS);
  const mode = status.value?.mode;
  const known = workers.value.length;
  useEffect(() => reload(), [mode, known, reload]);
  if (value === null) return null;
  const runs = task.status === "in_progress";
  // Of a task that runs, only the wait for other landings needs a word.
  const reasons = runs ? value.reasons.filter(({ kind }) => kind === "landing") : value.reasons;
  if (runs && reasons.length === 0) return value.signs === null ? null : <Signs signs={value.signs} />;
  return (
    <Panel title={TITLES[task.status] ?? "Why it is not running"} class="why">
      {reasons.length === 0 ? (
        <p>Nothing keeps it: it can start at once.</p>
      ) : (
        <ul>
          {reasons.map((reason) => (
            <ReasonLine key={`${reason.kind} ${reason.message}`} reason={reason} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

/** Of a task whose program runs: its last sign, and the times at which its limits end it. */
function Signs({ signs }: { signs: ProgramSigns }) {
  return (
    <Panel title="How it stands with its limits" class="why">
      <ul>
        <li>
          {signs.new_at === null
            ? "Its program prints nothing before its end."
            : `It has printed ${nothingNew(signs, Date.now())}.`}
        </li>
        <li>
          It is ended at {clock(signs.times_out_at)} at the latest
          {signs.stalls_at !== null &&
            `, and at ${clock(signs.stalls_at)} if it prints nothing new until then`}
          .
        </li>
      </ul>
    </Panel>
  );
}

function ReasonLine({ reason }: { reason: Reason }) {
  return (
    <li data-reason={reason.kind}>
      {visible(localized(reason.message))}{" "}
      {reason.task_ids.slice(0, SHOWN).map((id) => (
        <a key={id} class="mono receipt-task" href={taskHref(id)}>
          {id}
        </a>
      ))}
    </li>
  );
}
