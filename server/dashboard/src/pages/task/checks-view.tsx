import type { Check } from "../../api/documents.ts";
import { span } from "../../text/format.ts";
import { visible } from "../../text/visible.ts";
import { Prose } from "../../ui/text.tsx";

/** The commands that the worker ran on the work, with what they printed. */
export function ChecksView({ checks }: { checks: readonly Check[] }) {
  return (
    <div class="checks">
      <h3>Checks</h3>
      {checks.map((check, index) => (
        <details key={index} open={check.exit_code !== 0}>
          <summary>
            <span class={check.exit_code === 0 ? "s-completed" : "s-failed"}>
              {check.exit_code === 0 ? "✓ check passed" : `✕ check failed, exit ${check.exit_code}`}
            </span>{" "}
            <code>{visible(check.command)}</code> <span class="dim small">{span(check.duration_s)}</span>
          </summary>
          {check.output_tail === null || check.output_tail === "" ? (
            <p class="dim small">It printed nothing.</p>
          ) : (
            <Prose class="output" text={check.output_tail} />
          )}
        </details>
      ))}
    </div>
  );
}
