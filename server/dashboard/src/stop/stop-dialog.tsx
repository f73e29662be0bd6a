import { useState } from "preact/hooks";
import { api } from "../api/swarm.ts";
import { running, status } from "../live/store.ts";
import { attempt } from "../state/notices.ts";
import { plural } from "../text/format.ts";
import { Dialog } from "../ui/dialog.tsx";
import { noteOrders } from "./receipts.ts";

const WORD = "STOP";

/** Asks for the word to be typed: this ends paid work. */
export function StopDialog({ onClose }: { onClose: () => void }) {
  const [word, setWord] = useState("");
  const [cause, setCause] = useState("");
  const [busy, setBusy] = useState(false);
  const ready = word.trim().toUpperCase() === WORD && !busy;
  const stop = async (event: Event) => {
    event.preventDefault();
    if (!ready) return;
    setBusy(true);
    const done = await attempt(async () => noteOrders((await api.emergencyStop(cause.trim())).receipts));
    setBusy(false);
    if (done) onClose();
  };
  const again = status.value?.mode === "stopped";
  return (
    <Dialog title="Emergency stop" onClose={onClose} danger>
      <form onSubmit={stop}>
        <p>
          Ends <strong>{plural(running.value.size, "running task")}</strong> at once, on every worker, without
          a grace period. Nothing starts again, over restarts too, until someone resumes. Resuming can put
          back what this ends.
          {again && " A stop is in force already; this repeats its orders."}
        </p>
        <label class="labelled">
          Cause, for whoever looks later
          <input
            class="field"
            name="cause"
            value={cause}
            maxLength={500}
            onInput={(event) => setCause(event.currentTarget.value)}
          />
        </label>
        <label class="labelled">
          Type {WORD} to confirm
          <input
            class="field"
            name="confirm"
            value={word}
            autocomplete="off"
            autoFocus
            onInput={(event) => setWord(event.currentTarget.value)}
          />
        </label>
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button danger solid" disabled={!ready}>
            {busy ? "Stopping…" : "Stop everything"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
