// Calls at once, then at most once in a while; the last wish is never lost.

export interface Throttled {
  (): void;
  cancel(): void;
}

export function throttled(action: () => void, everyMs: number): Throttled {
  let timer: number | null = null;
  let again = false;
  const turn = () => {
    timer = null;
    if (!again) return;
    again = false;
    call();
  };
  const call = () => {
    if (timer !== null) {
      again = true;
      return;
    }
    timer = window.setTimeout(turn, everyMs);
    action();
  };
  return Object.assign(call, {
    cancel: () => {
      if (timer !== null) window.clearTimeout(timer);
      timer = null;
      again = false;
    },
  });
}
