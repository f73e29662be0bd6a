import type { ComponentChildren } from "preact";
import type { Worker } from "../../api/documents.ts";
import { taskHref } from "../../state/route.ts";
import { oneLine } from "../../text/visible.ts";
import { Age } from "../../ui/age.tsx";
import { Slots } from "../../ui/slots.tsx";
import { WorkerMark } from "../../ui/worker-mark.tsx";

const TASKS_SHOWN = 6;

/** One worker. */
export function WorkerRow({ worker, drain }: { worker: Worker; drain: (() => void) | null }) {
  return (
    <tr data-worker={worker.name}>
      <td>
        <span class="strong">{oneLine(worker.name)}</span>
        <div class="dim small">{worker.version === null ? "" : `v${oneLine(worker.version)}`}</div>
      </td>
      <Cell label="Status">
        <WorkerMark status={worker.status} />
      </Cell>
      <Cell label="Slots">
        <Slots used={worker.running} slots={worker.slots} />{" "}
        <span class="dim small">
          {worker.running}/{worker.slots}
        </span>
      </Cell>
      <Cell label="Runner">{worker.runner === null ? "–" : oneLine(worker.runner)}</Cell>
      <Cell label="Containment">{worker.containment === null ? "–" : oneLine(worker.containment)}</Cell>
      <Cell label="Labels">
        <Labels labels={worker.labels} />
      </Cell>
      <Cell label="Host">
        {worker.host === null ? "–" : oneLine(worker.host)}
        <span class="dim small"> {worker.pid === null ? "" : `pid ${worker.pid}`}</span>
      </Cell>
      <Cell label="Last heard" class="nowrap">
        <Age from={worker.last_seen} suffix />
      </Cell>
      <Cell label="Tasks">
        <Tasks ids={worker.task_ids} />
      </Cell>
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

/** A cell that says its column's name where the table becomes a list of cards. */
function Cell({
  label,
  children,
  class: name,
}: {
  label: string;
  children: ComponentChildren;
  class?: string;
}) {
  return (
    <td data-label={label} class={name ?? ""}>
      <div>{children}</div>
    </td>
  );
}

function Labels({ labels }: { labels: Record<string, string> }) {
  const found = Object.entries(labels);
  if (found.length === 0) return <span class="dim">–</span>;
  return (
    <>
      {found.map(([name, value]) => (
        <span key={name} class="label mono">
          {oneLine(`${name}=${value}`)}
        </span>
      ))}
    </>
  );
}

function Tasks({ ids }: { ids: readonly string[] }) {
  const more = ids.length - TASKS_SHOWN;
  if (ids.length === 0) return <span class="dim">–</span>;
  return (
    <>
      {ids.slice(0, TASKS_SHOWN).map((id) => (
        <a key={id} class="mono receipt-task" href={taskHref(id)}>
          {id}
        </a>
      ))}
      {more > 0 && <span class="dim small">and {more} more</span>}
    </>
  );
}
