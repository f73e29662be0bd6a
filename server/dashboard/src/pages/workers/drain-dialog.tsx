import { useState } from "preact/hooks";
import type { Worker } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { attempt } from "../../state/notices.ts";
import { oneLine } from "../../text/visible.ts";
import { OrderDialog } from "../../ui/order-dialog.tsx";

/** Lets one worker, or all of them, finish what they run and exit. */
export function DrainDialog({ worker, onClose }: { worker: Worker | "all"; onClose: () => void }) {
  const [minutes, setMinutes] = useState("");
  const name = worker === "all" ? "all workers" : oneLine(worker.name);
  const drain = () => {
    const deadlineS = minutes.trim() === "" ? null : Math.round(60 * Number(minutes));
    return attempt<unknown>(
      () => (worker === "all" ? api.gracefulShutdown(deadlineS) : api.drain(worker.name, deadlineS)),
      () => `Draining ${name}.`,
    );
  };
  return (
    <OrderDialog title={`Drain ${name}`} act="Drain" acting="Telling them…" order={drain} onClose={onClose}>
      <p>
        {worker === "all"
          ? "They are given no more tasks, finish what runs, and exit."
          : "It is given no more tasks, finishes what runs, and exits."}
      </p>
      <label class="labelled">
        End what still runs after so many minutes (empty: never)
        <input
          class="field"
          name="minutes"
          type="number"
          min="0"
          step="any"
          value={minutes}
          onInput={(event) => setMinutes(event.currentTarget.value)}
        />
      </label>
    </OrderDialog>
  );
}
