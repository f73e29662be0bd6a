import { useState } from "preact/hooks";
import { api } from "../api/swarm.ts";
import { running, status } from "../live/store.ts";
import { attempt } from "../state/notices.ts";
import { plural } from "../text/format.ts";
import { CauseField } from "../ui/cause-field.tsx";
import { OrderDialog } from "../ui/order-dialog.tsx";
import { noteOrders } from "./receipts.ts";

const WORD = "STOP";

/** Asks for the word to be typed: this ends paid work. */
export function StopDialog({ onClose }: { onClose: () => void }) {
  const [word, setWord] = useState("");
  const [cause, setCause] = useState("");
  const stop = () => attempt(async () => noteOrders((await api.emergencyStop(cause.trim())).receipts));
  const again = status.value?.mode === "stopped";
  return (
    <OrderDialog
      title="Emergency stop"
      act="Stop everything"
      acting="Stopping…"
      danger
      ready={word.trim().toUpperCase() === WORD}
      order={stop}
      onClose={onClose}
    >
      <p>
        Ends <strong>{plural(running.value.size, "running task")}</strong> at once, on every worker, without a
        grace period. Nothing starts again, over restarts too, until someone resumes. Resuming can put back
        what this ends.
        {again && " A stop is in force already; this repeats its orders."}
      </p>
      <CauseField value={cause} onInput={setCause} />
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
    </OrderDialog>
  );
}
