import { useState } from "preact/hooks";
import type { Worker } from "../../api/documents.ts";
import { status, workers } from "../../live/store.ts";
import { operates } from "../../state/session.ts";
import { plural } from "../../text/format.ts";
import { pausedDetail, pausedKey, pausedTitle } from "../../text/paused.ts";
import { visible } from "../../text/visible.ts";
import { ScrollX } from "../../ui/scroll-x.tsx";
import { Empty, Loading } from "../../ui/states.tsx";
import { DrainDialog } from "./drain-dialog.tsx";
import { inOrder } from "./order.ts";
import { WorkerRow } from "./worker-row.tsx";

/** The workers: how they stand, what they hold, and how to let them finish. */
export function WorkersPage() {
  const [draining, setDraining] = useState<Worker | "all" | null>(null);
  const known = inOrder(workers.value);
  const now = status.value;
  if (now === null) return <Loading what="workers" />;
  return (
    <div class="page workers">
      <div class="tasks-head">
        <h1>Workers</h1>
        <span class="dim">
          {plural(known.length, "worker")}, {plural(now.slots, "slot")}
        </span>
        {operates.value && known.length > 0 && (
          <button type="button" class="button small end" onClick={() => setDraining("all")}>
            Drain all…
          </button>
        )}
      </div>
      {now.paused_runners.map((paused) => (
        <p key={pausedKey(paused)} class="banner warning inside" role="status">
          <strong>▲ {visible(pausedTitle(paused))}.</strong> {visible(pausedDetail(paused))}
        </p>
      ))}
      {known.length === 0 ? (
        <Empty title="No worker is connected.">Start one with `swarm-worker --server HOST:PORT`.</Empty>
      ) : (
        <div class="panel">
          <ScrollX label="Workers, table">
            <table class="workers-table">
              <thead>
                <tr>
                  <th>Worker</th>
                  <th>Status</th>
                  <th>Slots</th>
                  <th>Runner</th>
                  <th>Containment</th>
                  <th>Labels</th>
                  <th>Host</th>
                  <th>Last heard</th>
                  <th>Tasks</th>
                  {operates.value && (
                    <th>
                      <span class="out-of-sight">Drain</span>
                    </th>
                  )}
                </tr>
              </thead>
              <tbody>
                {known.map((worker) => (
                  <WorkerRow
                    key={worker.name}
                    worker={worker}
                    drain={operates.value ? () => setDraining(worker) : null}
                  />
                ))}
              </tbody>
            </table>
          </ScrollX>
        </div>
      )}
      {draining !== null && <DrainDialog worker={draining} onClose={() => setDraining(null)} />}
    </div>
  );
}
