import type { ChangedFile } from "../api/documents.ts";
import { oneLine } from "../text/visible.ts";
import { Counts, FileMark } from "./file-list.tsx";
import type { Mark } from "./patch.ts";
import type { PatchRow, Side } from "./rows.ts";

interface PatchRowProps {
  row: PatchRow;
  index: number;
  file: (path: string) => ChangedFile | undefined;
  fold: (path: string) => void;
}

const KINDS: Record<Mark, string> = { " ": "", "+": "plus", "-": "minus", "\\": "note" };

/** One row of a patch. Everything in it is text. */
export function PatchRowView({ row, index, file, fold }: PatchRowProps) {
  const position = { role: "row", "aria-rowindex": index + 1 } as const;
  switch (row.kind) {
    case "file":
      return (
        <div class="patch-row p-file" {...position}>
          <span role="cell">
            <FileHeading row={row} file={file(row.path)} fold={fold} />
          </span>
        </div>
      );
    case "line":
      return (
        <div class={`patch-row p-line ${KINDS[row.mark]}`} {...position}>
          <LineNumber value={row.before} class="p-before" />
          <LineNumber value={row.after} />
          <Text mark={row.mark} text={row.text} first={row.before !== null || row.after !== null} />
        </div>
      );
    case "pair":
      return (
        <div class="patch-row p-pair" {...position}>
          <Half side={row.left} />
          <Half side={row.right} />
        </div>
      );
    case "gap":
      return <div class="patch-row p-gap" role="presentation" />;
    default:
      return (
        <div class={`patch-row p-${row.kind}`} {...position}>
          <span role="cell" class="cut" title={row.text}>
            {oneLine(row.text)}
          </span>
        </div>
      );
  }
}

interface FileHeadingProps {
  row: Extract<PatchRow, { kind: "file" }>;
  file: ChangedFile | undefined;
  fold: (path: string) => void;
}

function FileHeading({ row, file, fold }: FileHeadingProps) {
  const path = oneLine(row.path === "" ? "a file without a name" : row.path, 1000);
  return (
    <button
      type="button"
      class="cut"
      title={path}
      data-heading={row.path}
      aria-expanded={!row.folded}
      onClick={() => fold(row.path)}
    >
      <span aria-hidden="true">{row.folded ? "▸" : "▾"}</span>
      {file !== undefined && <FileMark status={file.status} />}
      <span class="cut file-path">
        <bdi>
          {row.from !== null && `${oneLine(row.from)} → `}
          {path}
        </bdi>
      </span>
      {file !== undefined && <Counts file={file} />}
    </button>
  );
}

function LineNumber({ value, class: name = "" }: { value: number | null; class?: string }) {
  return (
    <span role="cell" class={`p-number ${name}`}>
      {value ?? ""}
    </span>
  );
}

function Text({ mark, text, first }: { mark: Mark; text: string; first: boolean }) {
  return (
    <>
      <span role="cell" class="p-mark">
        {first ? mark : ""}
      </span>
      <span role="cell" class="p-text">
        {text}
      </span>
    </>
  );
}

function Half({ side }: { side: Side | null }) {
  if (side === null) {
    return (
      <span class="p-half none" role="presentation">
        <span role="cell" />
      </span>
    );
  }
  return (
    <span class={`p-half ${KINDS[side.mark]}`} role="presentation">
      <LineNumber value={side.number} />
      <Text mark={side.mark} text={side.text} first={side.number !== null} />
    </span>
  );
}
