// An order about one task: one at a time, and the task is loaded anew however it went.
import { useState } from "preact/hooks";
import { attempt } from "../../state/notices.ts";

/**
 * Returns whether an order is under way, and how to give one. Of a panel that goes with its order, the focus moves to the
 * content of the page instead of getting lost.
 */
export function useOrder(reload: () => void, { panelGoes = false } = {}) {
  const [busy, setBusy] = useState(false);
  /** Gives the order and tells how it went; returns true if it went well. */
  const order = async <T>(action: () => Promise<T>, told: (result: T) => string): Promise<boolean> => {
    if (busy) return false;
    setBusy(true);
    const went = await attempt(action, told);
    setBusy(false);
    if (went && panelGoes) document.getElementById("main")?.focus({ preventScroll: true });
    reload();
    return went;
  };
  return { busy, order };
}
