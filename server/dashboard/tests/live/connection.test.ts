import { beforeEach, describe, expect, test } from "vitest";
import { Connection, type Link } from "../../src/live/connection.ts";
import { EMPTY, reduce, type Swarm } from "../../src/live/reduce.ts";
import { event, swarmStatus } from "../made.ts";
import { FakeWire } from "./fake-wire.ts";

const SNAPSHOT = { type: "snapshot", seq: 5, status: swarmStatus(), workers: [], running: [], attention: [] };
const delta = (from: number, to: number) => ({
  type: "delta",
  from,
  to,
  events: Array.from({ length: to - from }, (_, at) => event(from + 1 + at)),
  tasks: [],
});

let wire: FakeWire;
let swarm: Swarm;
let links: Link[];
let allowed: boolean;
let connection: Connection;

beforeEach(() => {
  wire = new FakeWire();
  swarm = EMPTY;
  links = [];
  allowed = true;
  connection = new Connection(
    {
      frame: (frame) => {
        const step = reduce(swarm, frame);
        if (!step.hole) swarm = step.swarm;
        return !step.hole;
      },
      link: (link) => links.push(link),
      seq: () => swarm.seq,
      epoch: () => swarm.status?.epoch ?? null,
      csrf: () => "secret",
      allowed: async () => allowed,
    },
    wire,
  );
  connection.start();
});

test("the first connection asks for a snapshot and shows its login in the subprotocol", () => {
  expect(wire.socket.after).toBeNull();
  expect(wire.socket.protocols).toEqual(["swarm.v1", "csrf.secret"]);
});

describe("when the connection breaks", () => {
  test("the next one begins where this one ended", async () => {
    wire.socket.says(SNAPSHOT);
    wire.socket.says(delta(5, 8));
    wire.socket.breaks();
    await wire.pass(6000);

    expect(wire.sockets.length).toBe(2);
    expect(wire.socket.after).toBe("8");
    expect(new URL(wire.socket.url).searchParams.get("epoch")).toBe("1");
  });

  test("it is tried again more and more rarely, and soon again after a success", async () => {
    const gaps: number[] = [];
    for (let tries = 0; tries < 7; tries++) {
      const before = wire.sockets.length;
      wire.socket.breaks();
      let waitedMs = 0;
      while (wire.sockets.length === before && waitedMs < 10_000) {
        await wire.pass(50);
        waitedMs += 50;
      }
      gaps.push(waitedMs);
    }

    expect([...gaps].sort((one, other) => one - other)).toEqual(gaps);
    expect(gaps.at(-1)).toBeLessThanOrEqual(5000);
    wire.socket.says(SNAPSHOT);
    wire.socket.breaks();
    await wire.pass(250);
    expect(wire.sockets.length).toBe(9);
  });

  test("the page says so until frames come again", async () => {
    wire.socket.says(SNAPSHOT);
    wire.socket.breaks();
    expect(links.at(-1)).toBe("lost");
    await wire.pass(6000);
    wire.socket.says(delta(5, 6));

    expect(links.at(-1)).toBe("live");
  });

  test("what the old socket still says does not count", async () => {
    wire.socket.says(SNAPSHOT);
    const old = wire.socket;
    const said = old.onmessage;
    old.breaks();
    await wire.pass(6000);
    said?.({ data: JSON.stringify(delta(5, 6)) });

    expect(swarm.seq).toBe(5);
  });

  test("nobody who is logged out tries on", async () => {
    allowed = false;
    wire.socket.breaks();
    await wire.pass(60_000);

    expect(wire.sockets.length).toBe(1);
  });
});

test("silence for too long is a lost connection", async () => {
  wire.socket.says(SNAPSHOT);
  const before = wire.socket;
  await wire.pass(13_000);
  await wire.pass(6000);

  expect(before.closed).toBe(true);
  expect(wire.sockets.length).toBe(2);
});

test("a hole makes it read again from the last number that is known", async () => {
  wire.socket.says(SNAPSHOT);
  wire.socket.says(delta(7, 9));
  await wire.pass(6000);

  expect(wire.socket.after).toBe("5");
  wire.socket.says(delta(5, 9));
  expect(swarm.seq).toBe(9);
});

test("a frame of a kind that is not known yet is passed over", () => {
  wire.socket.says({ type: "novelty" });

  expect(wire.socket.closed).toBe(false);
});

test("a resync is followed by a snapshot on the same connection", () => {
  wire.socket.says(SNAPSHOT);
  wire.socket.says({ type: "resync", reason: "slow" });
  wire.socket.says({ ...SNAPSHOT, seq: 50 });

  expect([swarm.seq, wire.sockets.length]).toEqual([50, 1]);
});

test("stopped, it stays stopped", async () => {
  connection.stop();
  await wire.pass(60_000);

  expect(wire.sockets.length).toBe(1);
  expect(wire.socket.closed).toBe(true);
});

test("however often it breaks and repeats itself, every event is shown once and in order", async () => {
  let random = 7;
  const dice = (sides: number) => {
    random = (random * 1103515245 + 12345) % 2147483648;
    return Math.floor((random / 2147483648) * sides);
  };
  const ahead = 200;
  wire.socket.says({ ...SNAPSHOT, seq: 0 });
  let sent = 0;
  while (swarm.seq !== ahead) {
    const to = Math.min(ahead, sent + 1 + dice(4));
    if (dice(3) > 0) wire.socket.says(delta(Math.max(0, sent - dice(3)), to));
    sent = to;
    if (dice(5) === 0) wire.socket.breaks();
    await wire.pass(6000);
    if (wire.socket.after !== null && wire.socket.onmessage !== null) sent = swarm.seq ?? 0;
  }

  expect(swarm.events.map(({ seq }) => seq)).toEqual(Array.from({ length: ahead }, (_, at) => ahead - at));
});
