import { useState } from "preact/hooks";
import type { LogLine } from "../api/documents.ts";
import { api } from "../api/swarm.ts";
import { attempt as tried } from "../state/notices.ts";
import { plural } from "../text/format.ts";
import { saveFile } from "../ui/save-file.ts";
import { PAGE } from "./follower.ts";
import type { LogQuery } from "./query.ts";

/** Saves or copies all that is kept of a log, or of it what the search finds. */
export function SaveLog({ task, attempt, query }: { task: string; attempt: number; query: LogQuery }) {
  const [busy, setBusy] = useState(false);
  const read = async (act: (text: string) => Promise<void> | void, done: string) => {
    setBusy(true);
    let entries = 0;
    await tried(
      async () => {
        const lines = await readAll(task, attempt, query);
        entries = lines.length;
        await act(lines.map(asText).join(""));
      },
      () => `${done} ${plural(entries, "entry", "entries")}.`,
    );
    setBusy(false);
  };
  const name = `${task}-attempt-${attempt}.log`;
  return (
    <>
      <button
        type="button"
        class="button"
        disabled={busy}
        aria-label="Copy the log"
        onClick={() => read((text) => navigator.clipboard.writeText(text), "Copied")}
      >
        Copy
      </button>
      <button
        type="button"
        class="button"
        disabled={busy}
        onClick={() => read((text) => saveFile(text, name), "Saved")}
      >
        {busy ? "Reading…" : "Save"}
      </button>
    </>
  );
}

async function readAll(task: string, attempt: number, { role, q }: LogQuery): Promise<LogLine[]> {
  const found: LogLine[] = [];
  let after = 0;
  for (;;) {
    const page = await api.log(task, { role, attempt, q, after, limit: PAGE });
    found.push(...page.entries);
    if (page.entries.length === 0 || page.next === null) return found;
    after = page.next;
  }
}

function asText({ logged_at, role, kind, text }: LogLine): string {
  return `${logged_at ?? ""} ${role} ${kind}: ${text.replace(/\r?\n$/, "")}\n`;
}
