import { useEffect, useMemo, useState } from "preact/hooks";
import type { Attempt, Change, TaskDetail } from "../api/documents.ts";
import { api } from "../api/swarm.ts";
import { bind } from "../state/keys.ts";
import { useLoad } from "../state/load.ts";
import { isNarrow } from "../state/media.ts";
import { href, replace, route } from "../state/route.ts";
import { count } from "../text/format.ts";
import { Panel } from "../ui/panel.tsx";
import { Empty, Failure, Loading } from "../ui/states.tsx";
import { ChangeFacts } from "./change-facts.tsx";
import { ChangesTools } from "./changes-tools.tsx";
import { FileList } from "./file-list.tsx";
import { parsePatch } from "./patch.ts";
import { PatchView } from "./patch-view.tsx";
import { type ChangesQuery, readChangesQuery, writeChangesQuery } from "./query.ts";
import { matching } from "./rows.ts";
import { SaveButton } from "./save-button.tsx";
import { TooLong } from "./too-long.tsx";
import { changeSize } from "./words.ts";

/** What the attempts of a task did to the files of their clones. */
export function ChangesPanel({ task }: { task: TaskDetail }) {
  const query = readChangesQuery(route.value.query);
  const changed = task.attempts.filter(({ change }) => change !== null);
  const attempt =
    query.attempt === 0 ? changed.at(-1) : changed.find(({ number }) => number === query.attempt);
  const set = (more: Partial<ChangesQuery>) =>
    replace(href("task", task.id, writeChangesQuery({ ...query, ...more })));
  if (attempt === undefined || attempt.change === null) {
    return (
      <Panel title="Changes">
        <Empty
          title={query.attempt > 0 ? `Attempt ${query.attempt} left no change.` : "No attempt left a change."}
        >
          Only an attempt that worked in a clone and has ended leaves one.
        </Empty>
        {query.attempt > 0 && changed.length > 0 && (
          <button type="button" class="button" onClick={() => set({ attempt: 0, file: "" })}>
            Show the latest
          </button>
        )}
      </Panel>
    );
  }
  return (
    <Panel title="Changes" aside={<span class="dim">{changeSize(attempt.change)}</span>} class="changes">
      <ChangesTools attempts={changed} shown={attempt} query={query} set={set} />
      <ChangeFacts attempt={attempt} change={attempt.change} />
      <Patch
        key={attempt.number}
        task={task.id}
        attempt={attempt}
        change={attempt.change}
        query={query}
        set={set}
      />
    </Panel>
  );
}

interface PatchProps {
  task: string;
  attempt: Attempt;
  change: Change;
  query: ChangesQuery;
  set: (more: Partial<ChangesQuery>) => void;
}

function Patch({ task, attempt: { number }, change, query, set }: PatchProps) {
  const [times, setTimes] = useState(0);
  const { value, error, reload } = useLoad(`${task} ${number} ${change.head}`, (signal) =>
    api.diff(task, number, signal),
  );
  const patch = value?.patch ?? null;
  const parsed = useMemo(() => (patch === null ? [] : parsePatch(patch)), [patch]);
  const listed = useMemo(() => matching(change.files, query.q), [change.files, query.q]);
  const shown = useMemo(() => matching(parsed, query.q), [parsed, query.q]);
  const known = useMemo(() => new Map(change.files.map((file) => [file.path, file])), [change.files]);
  const choose = (file: string) => {
    set({ file });
    setTimes((before) => before + 1);
  };
  useFileKeys(
    listed.map(({ path }) => path),
    query.file,
    choose,
  );
  if (change.file_count === 0) return <Empty title="This attempt changed no file." />;
  return (
    <div class="change-view">
      <div class="change-side">
        <FileList files={listed} current={query.file} choose={choose} />
        {listed.length === 0 && <p class="dim small">No path has that text.</p>}
        {change.files.length < change.file_count && (
          <p class="dim small">and {count(change.file_count - change.files.length)} more files</p>
        )}
        {patch !== null && <SaveButton patch={patch} name={`${task}-attempt-${number}.patch`} />}
      </div>
      {value === null && error === null && <Loading what="the patch" />}
      {value === null && error !== null && <Failure error={error} retry={reload} />}
      {value !== null && patch === null && <TooLong change={change} />}
      {patch !== null && (
        <PatchView
          files={shown}
          known={known}
          split={query.split && !isNarrow.value}
          target={{ path: query.file, times }}
        />
      )}
    </div>
  );
}

/** `]` and `[` go to the next and the previous file. */
function useFileKeys(paths: readonly string[], current: string, choose: (path: string) => void): void {
  useEffect(() => {
    const step = (by: number) => {
      const at = paths.indexOf(current);
      const next = paths[at < 0 ? 0 : Math.min(Math.max(at + by, 0), paths.length - 1)];
      if (next !== undefined) choose(next);
    };
    return bind([
      { keys: "]", what: "Go to the next file", run: () => step(1) },
      { keys: "[", what: "Go to the previous file", run: () => step(-1) },
    ]);
  });
}
