import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { VirtualList } from "../list/virtual-list.tsx";
import { atEnd } from "../list/window.ts";
import { isNarrow } from "../state/media.ts";
import { columnsOf } from "./columns.ts";
import { LogRowView } from "./log-row.tsx";
import type { Log } from "./use-log.ts";

const ROW_PX = 18;
// The time, the mark and the padding before the text.
const BEFORE_PX = 104;
const BEFORE_NARROW_PX = 34;

interface LogViewProps {
  log: Log;
  onColumns: (columns: number) => void;
  /** The cursor of the line to show; 0 follows the end. */
  line: number;
  link: (cursor: number) => void;
}

/** The rows of a log; it stays at the end as long as the end is in view. */
export function LogView({ log, onColumns, line, link }: LogViewProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(true);
  const sticks = useRef(line === 0);
  useLayoutEffect(() => {
    const view = scroller.current;
    if (view !== null && sticks.current) view.scrollTop = view.scrollHeight;
  }, [log.rows.length]);
  const shown = useRef(0);
  useLayoutEffect(() => {
    if (line === 0 || shown.current === line) return;
    const at = log.rows.findIndex((row) => row.first && !row.heading && row.entry.cursor === line);
    const view = scroller.current;
    if (at < 0 || view === null) return;
    shown.current = line;
    sticks.current = false;
    view.scrollTop = Math.max(0, at * ROW_PX - view.clientHeight / 3);
  }, [line, log.rows, log.rows.length]);
  useColumns(scroller, onColumns);
  const lastPx = useRef(0);
  const scrolled = (view: HTMLElement) => {
    // Only a scroll upwards leaves the end: rows that come make it move away without anybody's doing.
    if (atEnd(view.scrollTop, view.clientHeight, view.scrollHeight)) sticks.current = true;
    else if (view.scrollTop < lastPx.current) sticks.current = false;
    lastPx.current = view.scrollTop;
    setFollowing(sticks.current);
  };
  const choose = (cursor: number) => {
    shown.current = cursor;
    sticks.current = false;
    link(cursor);
  };
  const toEnd = () => {
    sticks.current = true;
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  };
  return (
    <div class="log">
      <VirtualList
        class="log-rows"
        total={log.rows.length}
        rowPx={ROW_PX}
        scroller={scroller}
        onScroll={scrolled}
        attributes={{ role: "log", "aria-live": "off", "aria-label": "Log", tabIndex: 0 }}
        draw={(index) => {
          const row = log.rows[index];
          return row === undefined ? null : (
            <LogRowView
              key={index}
              row={row}
              open={row.folds > 0 && log.rows[index + 1]?.entry === row.entry}
              toggle={() => {
                sticks.current = false;
                log.toggle(index);
              }}
              linked={row.entry.cursor === line}
              link={choose}
            />
          );
        }}
      />
      {!following && (
        <button type="button" class="button small log-end" onClick={toEnd}>
          ↓ To the end
        </button>
      )}
    </div>
  );
}

/** Tells how many characters a row has, now and whenever the window changes. */
function useColumns(scroller: RefObject<HTMLElement | null>, onColumns: (columns: number) => void): void {
  useEffect(() => {
    const view = scroller.current;
    if (view === null) return undefined;
    const fit = () => {
      const before = isNarrow.value ? BEFORE_NARROW_PX : BEFORE_PX;
      onColumns(columnsOf(view.clientWidth - before, `12px ${getComputedStyle(view).fontFamily}`));
    };
    const observer = new ResizeObserver(fit);
    observer.observe(view);
    return () => observer.disconnect();
  }, [scroller, onColumns]);
}
