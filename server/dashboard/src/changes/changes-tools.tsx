import { useEffect } from "preact/hooks";
import type { Attempt } from "../api/documents.ts";
import { bind } from "../state/keys.ts";
import { isNarrow } from "../state/media.ts";
import { plain } from "../text/words.ts";
import type { ChangesQuery } from "./query.ts";

interface ChangesToolsProps {
  attempts: readonly Attempt[];
  shown: Attempt;
  query: ChangesQuery;
  set: (more: Partial<ChangesQuery>) => void;
}

/** Which attempt, which files, and how they are shown. */
export function ChangesTools({ attempts, shown, query, set }: ChangesToolsProps) {
  useEffect(() =>
    bind([{ keys: "v", what: "Show the patch the other way", run: () => set({ split: !query.split }) }]),
  );
  return (
    <div class="log-tools">
      <select
        class="field"
        aria-label="Attempt"
        value={String(shown.number)}
        onChange={(event) => set({ attempt: Number(event.currentTarget.value), file: "" })}
      >
        {attempts.map(({ number, outcome }) => (
          <option key={number} value={String(number)}>
            attempt {number}: {plain(outcome)}
          </option>
        ))}
      </select>
      <input
        class="field"
        type="search"
        data-search
        placeholder="Only files with…"
        aria-label="Only files with"
        value={query.q}
        onInput={(event) => set({ q: event.currentTarget.value })}
      />
      {!isNarrow.value && (
        <fieldset class="chips" aria-label="View">
          <View name="Unified" pressed={!query.split} press={() => set({ split: false })} />
          <View name="Side by side" pressed={query.split} press={() => set({ split: true })} />
        </fieldset>
      )}
    </div>
  );
}

function View({ name, pressed, press }: { name: string; pressed: boolean; press: () => void }) {
  return (
    <button type="button" class="chip" aria-pressed={pressed} onClick={press}>
      {name}
    </button>
  );
}
