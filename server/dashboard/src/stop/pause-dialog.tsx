import { useState } from "preact/hooks";
import { api } from "../api/swarm.ts";
import { attempt } from "../state/notices.ts";
import { CauseField } from "../ui/cause-field.tsx";
import { OrderDialog } from "../ui/order-dialog.tsx";

/** Holds back new work; what runs goes on. */
export function PauseDialog({ onClose }: { onClose: () => void }) {
  const [cause, setCause] = useState("");
  return (
    <OrderDialog
      title="Pause the swarm"
      act="Pause"
      acting="Pausing…"
      order={() => attempt(() => api.pause(cause.trim()))}
      onClose={onClose}
    >
      <p>What runs goes on to its end. Nothing new is claimed until someone resumes.</p>
      <CauseField value={cause} onInput={setCause} focus />
    </OrderDialog>
  );
}
