import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "./dialog.tsx";

interface OrderDialogProps {
  title: string;
  /** What the button says, and what while it is done. */
  act: string;
  acting: string;
  danger?: boolean;
  /** Whether everything that must be said is said. */
  ready?: boolean;
  /** Gives the order; true if that went well. */
  order: () => Promise<boolean>;
  onClose: () => void;
  children: ComponentChildren;
}

/** Asks before an order is given, and stays open if it could not be. */
export function OrderDialog(props: OrderDialogProps) {
  const { title, act, acting, danger = false, ready = true, order, onClose, children } = props;
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!ready || busy) return;
    setBusy(true);
    const done = await order();
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog title={title} onClose={onClose} danger={danger}>
      <form onSubmit={submit}>
        {children}
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class={`button ${danger ? "danger solid" : "primary"}`}
            disabled={!ready || busy}
          >
            {busy ? acting : act}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
