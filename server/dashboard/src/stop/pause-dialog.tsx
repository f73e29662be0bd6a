import { useState } from "preact/hooks";
import { api } from "../api/swarm.ts";
import { attempt } from "../state/notices.ts";
import { Dialog } from "../ui/dialog.tsx";

/** Holds back new work; what runs goes on. */
export function PauseDialog({ onClose }: { onClose: () => void }) {
  const [cause, setCause] = useState("");
  const [busy, setBusy] = useState(false);
  const pause = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const done = await attempt(() => api.pause(cause.trim()));
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog title="Pause the swarm" onClose={onClose}>
      <form onSubmit={pause}>
        <p>What runs goes on to its end. Nothing new is claimed until someone resumes.</p>
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
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? "Pausing…" : "Pause"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
