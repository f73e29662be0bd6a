import type { KillReceipt } from "../api/documents.ts";
import { plural, span } from "../text/format.ts";
import { Prose } from "./text.tsx";

/** How a kill went. */
export function Receipt({ receipt }: { receipt: KillReceipt }) {
  return (
    <div class="receipt" data-receipt>
      <dl class="facts inline">
        <Fact name="Processes found" value={receipt.processes_found} />
        <Fact name="SIGTERM" value={receipt.terminated} />
        <Fact name="SIGKILL" value={receipt.killed} />
        <Fact
          name="Survivors"
          value={receipt.survivors === 0 ? "0: proven gone" : `⚠ ${receipt.survivors} still alive`}
          bad={receipt.survivors > 0}
        />
        <Fact name="Took" value={span(receipt.duration_s)} />
        <Fact name="Containment" value={receipt.containment ?? "–"} />
      </dl>
      {receipt.last_output !== null && receipt.last_output !== "" && (
        <details>
          <summary class="small dim">
            The last that it printed ({plural(receipt.last_output.length, "character")})
          </summary>
          <Prose text={receipt.last_output} />
        </details>
      )}
    </div>
  );
}

function Fact({ name, value, bad = false }: { name: string; value: string | number; bad?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={bad ? "strong bad" : "strong"}>{value}</dd>
    </div>
  );
}
