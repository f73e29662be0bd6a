import { useState } from "preact/hooks";
import type { Session } from "../../api/documents.ts";
import { PromptDialog } from "../../log/prompt-dialog.tsx";
import { between, money, short, span } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { Age } from "../../ui/age.tsx";
import { CopyButton } from "../../ui/copy-button.tsx";
import { ScrollX } from "../../ui/scroll-x.tsx";

interface SessionsTableProps {
  sessions: readonly Session[];
  task: string;
  attempt: number;
}

/** The builder's and the validator's session of an attempt. */
export function SessionsTable({ sessions, task, attempt }: SessionsTableProps) {
  const [asked, setAsked] = useState<Session | null>(null);
  return (
    <ScrollX label="Sessions">
      {asked !== null && (
        <PromptDialog task={task} attempt={attempt} session={asked} onClose={() => setAsked(null)} />
      )}
      <table class="sessions">
        <thead>
          <tr>
            <th>Session</th>
            <th class="wide-only">Runner</th>
            <th class="right">Took</th>
            <th class="right">Exit</th>
            <th class="right">Tokens in / out</th>
            <th class="right">Cost</th>
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => (
            <tr key={session.session_id}>
              <td>
                <span class="strong">{session.role}</span>{" "}
                <button
                  type="button"
                  class="button small"
                  aria-label={`Prompt of the ${session.role}`}
                  onClick={() => setAsked(session)}
                >
                  Prompt
                </button>
                <div class="mono dim small wide-only">
                  {session.session_id} <CopyButton text={session.session_id} what="the session's id" />
                </div>
              </td>
              <td class="wide-only">{session.runner === null ? "–" : oneLine(session.runner)}</td>
              <td class="right nowrap">
                {session.ended_at === null ? (
                  <Age from={session.started_at} />
                ) : (
                  span(between(session.started_at, session.ended_at))
                )}
              </td>
              <td class={`right ${session.exit_code ? "strong" : ""}`}>{exit(session.exit_code)}</td>
              <td class="right nowrap">
                {short(session.usage.input_tokens)} / {short(session.usage.output_tokens)}
              </td>
              <td class="right">{money(session.usage.cost)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollX>
  );
}

/** Negative is the signal that ended it. */
function exit(code: number | null): string {
  if (code === null) return "–";
  return code < 0 ? `signal ${-code}` : String(code);
}
