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
  /** Every tool call is shown whole. */
  readonly open: boolean;
}

export interface Log extends FollowState {
  readonly rows: readonly LogRow[];
  readonly entries: number;
  /** There is more before what was read. */
  readonly cut: boolean;
  readonly poke: () => void;
  /** Opens or closes the tool call whose first row that is. */
  readonly toggle: (index: number) => void;
}

// What a person may want to read of each session at first; the rest comes when it is asked for.
const TAIL = 2000;
const WAIT_S = 20;
const START: FollowState = { loading: true, ended: false, error: null };

export function useLog({ task, role, attempt, whole, columns, wanted, open }: LogChoice): Log {
  const [state, setState] = useState(START);
  const [, draw] = useState(0);
  const entries = useRef<LogLine[]>([]);
  const opened = useRef(new Set<number>());
  const made = () => new LogRows({ columns, open, found: wanted !== "" }, opened.current);
  const rows = useRef<LogRows | null>(null);
  const follower = useRef<LogFollower | null>(null);
  const shape = `${columns} ${open}`;
  const shaped = useRef(shape);
  if (rows.current === null || shaped.current !== shape) {
    shaped.current = shape;
    rows.current = made();
    rows.current.add(entries.current);
  }
  const empty = useRef(made);
  empty.current = made;
  useEffect(() => {
    entries.current = [];
    opened.current.clear();
    rows.current = empty.current();
    setState(START);
    const reader = new LogFollower(
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
          rows.current?.add(more);
          draw((times) => times + 1);
        },
        state: (next) => setState((known) => (same(known, next) ? known : next)),
      },
    );
    follower.current = reader;
    reader.poke();
    return () => reader.close();
  }, [task, role, attempt, whole, wanted]);
  return {
    ...state,
    rows: rows.current.rows,
    entries: entries.current.length,
    cut: !whole && wanted === "" && beginsLate(entries.current),
    poke: () => follower.current?.poke(),
    toggle: (index) => {
      rows.current?.toggle(index);
      draw((times) => times + 1);
    },
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
