import { useState } from "preact/hooks";
import type { LogLine } from "../api/documents.ts";
import { api } from "../api/swarm.ts";
import { attempt as tried } from "../state/notices.ts";
import { saveFile } from "../ui/save-file.ts";
import { PAGE } from "./follower.ts";
import type { LogQuery } from "./query.ts";

/** Saves all that is kept of a log, or of it what the search finds. */
export function SaveLog({ task, attempt, query }: { task: string; attempt: number; query: LogQuery }) {
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    await tried(async () => {
      const lines = await readAll(task, attempt, query);
      saveFile(lines.map(asText).join(""), `${task}-attempt-${attempt}.log`);
    });
    setBusy(false);
  };
  return (
    <button type="button" class="button" disabled={busy} onClick={save}>
      {busy ? "Reading…" : "Save"}
    </button>
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
