import type { ReadonlySignal } from "@preact/signals";
import { STATUSES, type Task } from "../../api/documents.ts";
import { status } from "../../live/store.ts";
import { count } from "../../text/format.ts";
import { STATUS_MEANINGS, statusWord } from "../../text/words.ts";
import { Shape } from "../../ui/shape.tsx";
import { isFiltered, type TaskQuery, toggled } from "./query.ts";

interface FilterBarProps {
  query: TaskQuery;
  ask: (query: TaskQuery, typed?: boolean) => void;
  phases: ReadonlySignal<readonly Task[]>;
}

/** Search, phase and statuses; each change asks the server. */
export function FilterBar({ query, ask, phases }: FilterBarProps) {
  const counts = status.value?.counts ?? {};
  const known = [...new Set(phases.value.map((task) => task.phase ?? ""))]
    .filter((phase) => phase !== "")
    .sort();
  const leave = (event: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
    if (event.key === "Enter") event.currentTarget.blur();
  };
  return (
    <div class="filters" role="search">
      <input
        class="field search"
        type="search"
        data-search
        placeholder="Search id and name  ( / )"
        aria-label="Search id and name"
        value={query.q}
        onInput={(event) => ask({ ...query, q: event.currentTarget.value }, true)}
        onKeyDown={leave}
      />
      <input
        class="field phase"
        list="phases"
        placeholder="Phase"
        aria-label="Phase"
        value={query.phase}
        onInput={(event) => ask({ ...query, phase: event.currentTarget.value }, true)}
        onKeyDown={leave}
      />
      <datalist id="phases">
        {known.map((phase) => (
          <option key={phase} value={phase} />
        ))}
      </datalist>
      <div class="chips" role="group" aria-label="Statuses">
        {STATUSES.map((name) => (
          <button
            key={name}
            type="button"
            class={(counts[name] ?? 0) > 0 ? "chip" : "chip none"}
            aria-pressed={query.status.includes(name)}
            title={STATUS_MEANINGS[name]}
            onClick={() => ask({ ...query, status: toggled(query.status, name) })}
          >
            <Shape status={name} />
            {statusWord(name)} <strong>{count(counts[name] ?? 0)}</strong>
          </button>
        ))}
        {isFiltered(query) && (
          <button type="button" class="chip" onClick={() => ask({ ...query, status: [], phase: "", q: "" })}>
            Clear
          </button>
        )}
      </div>
    </div>
  );
}
