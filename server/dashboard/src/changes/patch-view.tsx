import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ChangedFile } from "../api/documents.ts";
import { VirtualList } from "../list/virtual-list.tsx";
import { columnsOf } from "../log/columns.ts";
import { isNarrow } from "../state/media.ts";
import type { PatchFile } from "./patch.ts";
import { PatchRowView } from "./patch-row.tsx";
import { digitsOf, layOut, textColumns } from "./rows.ts";

const ROW_PX = 20;

interface PatchViewProps {
  files: readonly PatchFile[];
  /** The changed files by path, for what git says of them. */
  known: ReadonlyMap<string, ChangedFile>;
  split: boolean;
  /** The file to show, and how often it was asked for. */
  target: { readonly path: string; readonly times: number };
}

/** The lines of a patch; only those in view are drawn. */
export function PatchView({ files, known, split, target }: PatchViewProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const digits = useMemo(() => digitsOf(files), [files]);
  const columns = useColumns(scroller, digits, split);
  const { rows, places } = useMemo(
    () => layOut(files, { split, columns, folded }),
    [files, split, columns, folded],
  );
  const place = useRef<number | undefined>(undefined);
  place.current = places.get(target.path);
  // Runs again for other files, another width or the other view, but not when somebody folds a file.
  useEffect(() => {
    if (place.current !== undefined) scroller.current?.scrollTo({ top: place.current * ROW_PX });
  }, [target.path, target.times, files, split, columns]);
  const fold = (path: string) =>
    setFolded((now) => new Set(now.has(path) ? [...now].filter((one) => one !== path) : [...now, path]));
  return (
    <VirtualList
      class={`patch-rows ${split ? "split" : "unified"}`}
      total={rows.length}
      rowPx={ROW_PX}
      scroller={scroller}
      attributes={{
        role: "table",
        "aria-label": "Patch",
        "aria-rowcount": rows.length,
        "data-rows": rows.length,
        tabIndex: 0,
        style: { "--digits": String(digits) },
      }}
      draw={(index) => {
        const row = rows[index];
        if (row === undefined) return null;
        return (
          <PatchRowView key={index} row={row} index={index} file={(path) => known.get(path)} fold={fold} />
        );
      }}
    />
  );
}

/** How many characters of text fit beside the line numbers. */
function useColumns(scroller: { current: HTMLDivElement | null }, digits: number, split: boolean): number {
  const [whole, setWhole] = useState(120);
  useEffect(() => {
    const view = scroller.current;
    if (view === null) return undefined;
    const fit = () => {
      const { fontSize, fontFamily } = getComputedStyle(view);
      setWhole(columnsOf(view.clientWidth, `${fontSize} ${fontFamily}`));
    };
    const observer = new ResizeObserver(fit);
    observer.observe(view);
    return () => observer.disconnect();
  }, [scroller]);
  return textColumns(whole, { digits, split, narrow: isNarrow.value });
}
