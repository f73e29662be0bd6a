import { useState } from "preact/hooks";
import type { TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { attempt } from "../../state/notices.ts";
import { money } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { RUNNING } from "../../text/words.ts";
import { Dialog } from "../../ui/dialog.tsx";

/** Ends one task for good. */
export function KillDialog({ task, onClose }: { task: TaskDetail; onClose: () => void }) {
  const [cause, setCause] = useState("");
  const [busy, setBusy] = useState(false);
  const kill = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const done = await attempt(() => api.kill(task.id, cause.trim()));
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog title={`Kill ${oneLine(task.id)}?`} onClose={onClose} danger>
      <form onSubmit={kill}>
        <p>
          {RUNNING.has(task.status)
            ? `Its session and all processes under it end now; ${money(task.usage.cost)} is spent on it so far.`
            : "It has no session now; it will not be started."}{" "}
          It stays killed until someone retries it. What depends on it is skipped.
        </p>
        <label class="labelled">
          Cause, for whoever looks later
          <input
            class="field"
            name="cause"
            value={cause}
            maxLength={500}
            autoFocus
            onInput={(event) => setCause(event.currentTarget.value)}
          />
        </label>
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button danger solid" disabled={busy}>
            {busy ? "Killing…" : "Kill"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
