import { useState } from "preact/hooks";
import type { Worker } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { attempt } from "../../state/notices.ts";
import { oneLine } from "../../text/visible.ts";
import { Dialog } from "../../ui/dialog.tsx";

/** Lets one worker, or all of them, finish what they run and exit. */
export function DrainDialog({ worker, onClose }: { worker: Worker | "all"; onClose: () => void }) {
  const [minutes, setMinutes] = useState("");
  const [busy, setBusy] = useState(false);
  const name = worker === "all" ? "all workers" : oneLine(worker.name);
  const drain = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const deadlineS = minutes.trim() === "" ? null : Math.round(60 * Number(minutes));
    const done = await attempt(
      () => (worker === "all" ? api.gracefulShutdown(deadlineS) : api.drain(worker.name, deadlineS)),
      () => `Draining ${name}.`,
    );
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog title={`Drain ${name}`} onClose={onClose}>
      <form onSubmit={drain}>
        <p>
          {worker === "all" ? "They are" : "It is"} given no more tasks,{" "}
          {worker === "all" ? "finish" : "finishes"} what runs, and {worker === "all" ? "exit" : "exits"}.
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
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? "Telling them…" : "Drain"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
