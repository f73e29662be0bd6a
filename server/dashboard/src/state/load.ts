// Loads something for a component: the last value stays while the next is on its way, so that nothing jumps.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  value: T | null;
  error: unknown;
  reload: () => void;
}

/** Loads when `key` changes and, with `everyMs`, again and again while someone looks. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>, everyMs = 0): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; error: unknown }>({
    key,
    value: null,
    error: null,
  });
  const latest = useRef(load);
  latest.current = load;
  const under = useRef<AbortController | null>(null);
  const reload = useCallback(() => {
    under.current?.abort();
    const controller = new AbortController();
    under.current = controller;
    latest.current(controller.signal).then(
      (value) => !controller.signal.aborted && setState({ key, value, error: null }),
      (error: unknown) =>
        !controller.signal.aborted &&
        setState((known) => ({ key, value: known.key === key ? known.value : null, error })),
    );
  }, [key]);
  useEffect(() => {
    reload();
    const timer = everyMs > 0 ? window.setInterval(() => !document.hidden && reload(), everyMs) : 0;
    return () => {
      window.clearInterval(timer);
      under.current?.abort();
    };
  }, [reload, everyMs]);
  return { value: state.key === key ? state.value : null, error: state.error, reload };
}
