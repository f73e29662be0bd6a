// A followed log as rows for a component.
import { useEffect, useRef, useState } from "preact/hooks";
import type { LogLine } from "../api/documents.ts";
import { api } from "../api/swarm.ts";
import { type FollowState, LogFollower } from "./follower.ts";
import { type LogRow, LogRows } from "./rows.ts";

export interface LogChoice {
  readonly task: string;
  readonly role: string;
  readonly attempt: number;
  /** Everything that is kept, instead of the newest of each session. */
  readonly whole: boolean;
  readonly columns: number;
  /** Only entries with this text; the server looks through all that are kept. */
  readonly wanted: string;
}

export interface Log extends FollowState {
  readonly rows: readonly LogRow[];
  readonly entries: number;
  /** There is more before what was read. */
  readonly cut: boolean;
  readonly poke: () => void;
}

// What a person may want to read of each session at first; the rest comes when it is asked for.
const TAIL = 2000;
const WAIT_S = 20;
const START: FollowState = { loading: true, ended: false, error: null };

export function useLog({ task, role, attempt, whole, columns, wanted }: LogChoice): Log {
  const [state, setState] = useState(START);
  const [, draw] = useState(0);
  const entries = useRef<LogLine[]>([]);
  const rows = useRef(new LogRows(columns));
  const follower = useRef<LogFollower | null>(null);
  const shaped = useRef(columns);
  if (shaped.current !== columns) {
    shaped.current = columns;
    rows.current = new LogRows(columns);
    rows.current.add(entries.current);
  }
  const empty = useRef(() => new LogRows(columns));
  empty.current = () => new LogRows(columns);
  useEffect(() => {
    entries.current = [];
    rows.current = empty.current();
    setState(START);
    const made = new LogFollower(
      {
        page: (after, wait, limit, signal) => {
          const from = after !== undefined ? { after } : whole || wanted !== "" ? {} : { tail: TAIL };
          return api.log(
            task,
            { role, attempt, limit, q: wanted, ...from, ...(wait ? { wait_s: WAIT_S } : {}) },
            signal,
          );
        },
      },
      {
        added: (more) => {
          for (const entry of more) entries.current.push(entry);
          rows.current.add(more);
          draw((times) => times + 1);
        },
        state: (next) => setState((known) => (same(known, next) ? known : next)),
      },
    );
    follower.current = made;
    made.poke();
    return () => made.close();
  }, [task, role, attempt, whole, wanted]);
  return {
    ...state,
    rows: rows.current.rows,
    entries: entries.current.length,
    cut: !whole && wanted === "" && beginsLate(entries.current),
    poke: () => follower.current?.poke(),
  };
}

/** Whether a session's first entry is not its first: the server was asked for the newest only. */
export function beginsLate(entries: readonly LogLine[]): boolean {
  const seen = new Set<string>();
  for (const { session_id, number, kind } of entries) {
    if (!seen.has(session_id) && number > 1 && kind !== "gap") return true;
    seen.add(session_id);
  }
  return false;
}

function same(one: FollowState, other: FollowState): boolean {
  return one.loading === other.loading && one.ended === other.ended && one.error === other.error;
}
