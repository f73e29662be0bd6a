import { useState } from "preact/hooks";
import type { Hold } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { useOrder } from "./use-order.ts";

interface BudgetFormProps {
  id: string;
  hold: Hold;
  reload: () => void;
}

/** The fields that raise the caps of a task, which then goes on. */
export function BudgetForm({ id, reload }: BudgetFormProps) {
  const { busy, order } = useOrder(reload);
  const [dollars, setDollars] = useState("");
  const [tokens, setTokens] = useState("");
  const raise = async (event: Event) => {
    event.preventDefault();
    const more = { add_cost: dollars.trim(), add_tokens: Number(tokens || 0) };
    const raised = await order(
      () => api.raiseBudget(id, more),
      ({ status }) => (status === "held" ? `${id} is still held.` : `${id} goes on.`),
    );
    if (raised) {
      setDollars("");
      setTokens("");
    }
  };
  return (
    <form class="text-form" onSubmit={raise}>
      <label class="labelled">
        Dollars more
        <input
          class="field"
          inputMode="decimal"
          value={dollars}
          onInput={(event) => setDollars(event.currentTarget.value)}
        />
      </label>
      <label class="labelled">
        Tokens more
        <input
          class="field"
          type="number"
          min={0}
          step={1}
          value={tokens}
          onInput={(event) => setTokens(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary" disabled={busy || (!dollars.trim() && !tokens)}>
        Raise
      </button>
    </form>
  );
}
