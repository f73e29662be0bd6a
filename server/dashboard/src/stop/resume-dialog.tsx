import { useState } from "preact/hooks";
import { api } from "../api/swarm.ts";
import { status } from "../live/store.ts";
import { attempt } from "../state/notices.ts";
import { plural } from "../text/format.ts";
import { Dialog } from "../ui/dialog.tsx";
import { endings } from "./receipts.ts";

/** Ends pauses and stops; asks what shall become of the tasks that the stop ended. */
export function ResumeDialog({ onClose }: { onClose: () => void }) {
  const stopped = status.value?.mode === "stopped";
  const [requeue, setRequeue] = useState(stopped);
  const [busy, setBusy] = useState(false);
  const resume = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const done = await attempt(
      () => api.resume(requeue),
      ({ requeued = [] }) =>
        requeued.length > 0 ? `Resumed; ${plural(requeued.length, "task")} put back.` : "Resumed.",
    );
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog title="Resume the swarm" onClose={onClose}>
      <form onSubmit={resume}>
        <p>
          Tasks are claimed and run again. Runners that were paused because their provider refused may start
          too.
        </p>
        <label class="check">
          <input
            type="checkbox"
            name="requeue"
            checked={requeue}
            onChange={(event) => setRequeue(event.currentTarget.checked)}
          />
          <span>
            Put back the tasks that a stop or a drain interrupted
            {stopped && endings.value.size > 0 ? ` (${endings.value.size} by this stop)` : ""}. Otherwise they
            stay killed.
          </span>
        </label>
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? "Resuming…" : "Resume"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
