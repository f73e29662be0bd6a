import type { LateResult } from "../../api/documents.ts";
import { moment } from "../../text/format.ts";
import { visible } from "../../text/visible.ts";
import { plain } from "../../text/words.ts";

/** Outcomes that came after the attempt had been given up or killed. */
export function LateView({ results }: { results: readonly LateResult[] }) {
  return (
    <>
      <h3>Came too late to count</h3>
      <ul class="bullets small">
        {results.map((late, index) => (
          <li key={index}>
            {moment(late.received_at)}: {plain(late.outcome)}
            {late.failure_class ? ` (${plain(late.failure_class)})` : ""}
            {late.error ? `: ${visible(late.error)}` : ""}
          </li>
        ))}
      </ul>
    </>
  );
}
