import { useEffect, useRef } from "preact/hooks";
import type { ChangedFile } from "../api/documents.ts";
import { VirtualList } from "../list/virtual-list.tsx";
import { scrollToRow } from "../list/window.ts";
import { isNarrow } from "../state/media.ts";
import { oneLine } from "../text/visible.ts";
import { addedWord, fileStatusWord, removedWord } from "./words.ts";

const ROW_PX = 26;
// As high as a finger needs it.
const ROW_NARROW_PX = 36;

interface FileListProps {
  files: readonly ChangedFile[];
  current: string;
  choose: (path: string) => void;
}

/** The changed files; a click goes to the file in the patch. */
export function FileList({ files, current, choose }: FileListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const rowPx = isNarrow.value ? ROW_NARROW_PX : ROW_PX;
  const at = files.findIndex(({ path }) => path === current);
  useEffect(() => {
    const view = scroller.current;
    if (view !== null && at >= 0) view.scrollTop = scrollToRow(at, view.scrollTop, view.clientHeight, rowPx);
  }, [at, rowPx]);
  return (
    <VirtualList
      class="change-files"
      total={files.length}
      rowPx={rowPx}
      scroller={scroller}
      attributes={{ role: "list", "aria-label": "Changed files" }}
      draw={(index) => {
        const file = files[index];
        if (file === undefined) return null;
        return (
          <div
            role="listitem"
            key={index}
            class="change-file"
            style={{ height: `${rowPx}px` }}
            aria-setsize={files.length}
            aria-posinset={index + 1}
          >
            <button
              type="button"
              data-file={file.path}
              title={oneLine(file.path, 1000)}
              aria-current={file.path === current ? "true" : undefined}
              onClick={() => choose(file.path)}
            >
              <FileMark status={file.status} />
              <span class="cut file-path">
                <bdi>{oneLine(file.path)}</bdi>
              </span>
              <Counts file={file} />
            </button>
          </div>
        );
      }}
    />
  );
}

/** The letter of git for what happened to the file, with its word. */
export function FileMark({ status }: { status: string }) {
  return (
    <span class={`file-mark f-${status}`} title={fileStatusWord(status)}>
      <span aria-hidden="true">{status}</span>
      <span class="out-of-sight">{fileStatusWord(status)}</span>
    </span>
  );
}

export function Counts({ file }: { file: ChangedFile }) {
  if (file.added === null) return <span class="dim file-counts">binary</span>;
  return (
    <span class="file-counts">
      <span class="plus">{addedWord(file)}</span> <span class="minus">{removedWord(file)}</span>
    </span>
  );
}
