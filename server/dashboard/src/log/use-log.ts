// A followed log as rows for a component.
import { useEffect, useRef, useState } from "preact/hooks";
import type { LogLine } from "../api/documents.ts";
import { api } from "../api/swarm.ts";
import { type FollowState, LogFollower } from "./follower.ts";
import { type LogRow, LogRows } from "./rows.ts";

export interface LogChoice {
  readonly task: string;
  readonly role: string;
  readonly attempt: string;
  readonly columns: number;
  readonly wanted: string;
}

export interface Log extends FollowState {
  readonly rows: readonly LogRow[];
  readonly entries: number;
  readonly poke: () => void;
}

const START: FollowState = { loading: true, ended: false, error: null };

export function useLog({ task, role, attempt, columns, wanted }: LogChoice): Log {
  const [state, setState] = useState(START);
  const [, draw] = useState(0);
  const entries = useRef<LogLine[]>([]);
  const rows = useRef(new LogRows(columns, wanted));
  const follower = useRef<LogFollower | null>(null);
  const shape = `${columns} ${wanted}`;
  const shaped = useRef(shape);
  if (shaped.current !== shape) {
    shaped.current = shape;
    rows.current = new LogRows(columns, wanted);
    rows.current.add(entries.current);
  }
  const empty = useRef(() => new LogRows(columns, wanted));
  empty.current = () => new LogRows(columns, wanted);
  useEffect(() => {
    entries.current = [];
    rows.current = empty.current();
    setState(START);
    const made = new LogFollower(
      {
        page: (after, limit, signal) =>
          api.log(task, { role, attempt, limit, ...(after === undefined ? {} : { after }) }, signal),
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
  }, [task, role, attempt]);
  return {
    ...state,
    rows: rows.current.rows,
    entries: entries.current.length,
    poke: () => follower.current?.poke(),
  };
}

function same(one: FollowState, other: FollowState): boolean {
  return one.loading === other.loading && one.ended === other.ended && one.error === other.error;
}
