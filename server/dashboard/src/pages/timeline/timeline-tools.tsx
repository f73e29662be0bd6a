import { Choice } from "../../ui/choice.tsx";
import { SPANS, type TimelineQuery } from "./span.ts";

interface TimelineToolsProps {
  query: TimelineQuery;
  zoom: (factor: number) => void;
  /** Moves by a share of the stretch; what is negative is earlier. */
  move: (share: number) => void;
  show: (query: TimelineQuery) => void;
}

/** What is shown of the sessions, and the legend. */
export function TimelineTools({ query, zoom, move, show }: TimelineToolsProps) {
  const { minutes, by, stretch } = query;
  return (
    <>
      <Choice
        label="Span"
        choices={SPANS}
        value={stretch === null ? minutes : null}
        choose={(size) => show({ ...query, minutes: size, stretch: null })}
      />
      <div class="choice" role="group" aria-label="Zoom">
        <Tool name="Earlier [" sign="‹" act={() => move(-0.5)} />
        <Tool name="Later ]" sign="›" act={() => move(0.5)} />
        <Tool name="Zoom out -" sign="−" act={() => zoom(2)} />
        <Tool name="Zoom in +" sign="+" act={() => zoom(0.5)} />
        {stretch !== null && (
          <button type="button" class="chip" onClick={() => show({ ...query, stretch: null })}>
            follow the present
          </button>
        )}
      </div>
      <Choice
        label="Rows"
        choices={[
          ["worker", "by worker"],
          ["task", "by task"],
        ]}
        value={by}
        choose={(rows) => show({ ...query, by: rows })}
      />
      <Legend />
    </>
  );
}

function Tool({ name, sign, act }: { name: string; sign: string; act: () => void }) {
  return (
    <button type="button" class="chip" aria-label={`${sign} ${name}`} title={name} onClick={act}>
      {sign}
    </button>
  );
}

const ENDS = [
  ["in_progress", "runs"],
  ["completed", "completed"],
  ["failed", "failed, or its worker was lost"],
  ["killed", "killed"],
] as const;

/** What the colours and the line below a bar mean, and how to zoom; a bar tells the rest beside it. */
function Legend() {
  return (
    <span class="gantt-legend dim small">
      {ENDS.map(([end, words]) => (
        <span key={end}>
          <span class={`swatch b-${end}`} aria-hidden="true" /> {words}
        </span>
      ))}
      <span>
        <span class="swatch underlined-swatch" aria-hidden="true" /> underlined: validator
      </span>
      <span class="wide-only">drag to zoom, or Ctrl and the wheel</span>
    </span>
  );
}
