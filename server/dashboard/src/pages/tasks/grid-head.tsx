import { COLUMNS } from "./columns.ts";
import { sortedBy, type TaskQuery } from "./query.ts";

interface GridHeadProps {
  query: TaskQuery;
  ask: (query: TaskQuery) => void;
  ticks: boolean;
}

/** The titles of the columns; a click sorts. */
export function GridHead({ query, ask, ticks }: GridHeadProps) {
  return (
    <div role="row" class="trow thead" aria-rowindex={1}>
      {ticks && (
        <span role="columnheader" class="c-tick">
          <span class="out-of-sight">Ticked</span>
        </span>
      )}
      {COLUMNS.map(({ name, title, sort, right }) => {
        const here = sort === query.sort;
        return (
          <span
            key={name}
            role="columnheader"
            class={`c-${name} ${right ? "right" : ""}`}
            aria-sort={here ? (query.order === "asc" ? "ascending" : "descending") : undefined}
          >
            <button type="button" class="sort" onClick={() => ask(sortedBy(query, sort))}>
              {title}
              <span aria-hidden="true">{here ? (query.order === "asc" ? " ↑" : " ↓") : ""}</span>
            </button>
          </span>
        );
      })}
    </div>
  );
}
