import type { Worker } from "../../api/documents.ts";
import { taskHref } from "../../state/route.ts";
import { oneLine } from "../../text/visible.ts";
import { Age } from "../../ui/age.tsx";
import { Slots } from "../../ui/slots.tsx";
import { WorkerMark } from "../../ui/worker-mark.tsx";

const TASKS_SHOWN = 6;

/** One worker. */
export function WorkerRow({ worker, drain }: { worker: Worker; drain: (() => void) | null }) {
  const labels = Object.entries(worker.labels);
  const more = worker.task_ids.length - TASKS_SHOWN;
  return (
    <tr data-worker={worker.name}>
      <td>
        <span class="strong">{oneLine(worker.name)}</span>
        <div class="dim small">{worker.version === null ? "" : `v${oneLine(worker.version)}`}</div>
      </td>
      <td data-label="Status">
        <WorkerMark status={worker.status} />
      </td>
      <td data-label="Slots" class="nowrap">
        <Slots used={worker.running} slots={worker.slots} />{" "}
        <span class="dim small">
          {worker.running}/{worker.slots}
        </span>
      </td>
      <td data-label="Runner">{worker.runner === null ? "–" : oneLine(worker.runner)}</td>
      <td data-label="Containment">{worker.containment === null ? "–" : oneLine(worker.containment)}</td>
      <td data-label="Labels">
        {labels.length === 0 ? <span class="dim">–</span> : null}
        {labels.map(([name, value]) => (
          <span key={name} class="label mono">
            {oneLine(`${name}=${value}`)}
          </span>
        ))}
      </td>
      <td data-label="Host" class="small">
        {worker.host === null ? "–" : oneLine(worker.host)}
        <div class="dim">{worker.pid === null ? "" : `pid ${worker.pid}`}</div>
      </td>
      <td data-label="Last heard" class="right nowrap">
        <Age from={worker.last_seen} suffix />
      </td>
      <td data-label="Tasks">
        {worker.task_ids.slice(0, TASKS_SHOWN).map((id) => (
          <a key={id} class="mono receipt-task" href={taskHref(id)}>
            {id}
          </a>
        ))}
        {more > 0 && <span class="dim small">and {more} more</span>}
      </td>
      {drain !== null && (
        <td class="right">
          <button type="button" class="button small" disabled={worker.status === "draining"} onClick={drain}>
            {worker.status === "draining" ? "Draining" : "Drain…"}
          </button>
        </td>
      )}
    </tr>
  );
}
