// A recording made up by hand, as the page's data: stacks are lists of names, root first.

import { Data, type Head } from "../src/data";

export interface Sampled {
  stack: string[]; // "name" or "name@line"
  us: number;
  bucket?: number;
  thread?: number;
  clocks?: number;
}

/** Up is even, down is odd. */
const way = (from: number, to: number): number => (to >= from ? 2 * (to - from) : 2 * (from - to) - 1);
const ALL_CLOCKS = 0b1111;

export function recording(samples: Sampled[], change: Partial<Head> = {}): Data {
  const strings = ["", "/srv/app/app.py", "app.py", "/usr/lib/python3/json.py", "json.py"];
  const functions: string[] = [];
  const frames: [number, number][] = [];
  const stacks: [number, number][] = [[0, 0]];
  const known = new Map<string, number>();
  const number = <T>(what: string, list: T[], item: T): number => {
    const key = `${what} ${item}`;
    if (!known.has(key)) known.set(key, list.push(item) - 1);
    return known.get(key)!;
  };
  const clocks = [...new Set(samples.map((it) => it.clocks ?? ALL_CLOCKS))];
  const cells = samples.map((it) => {
    let stack = 0;
    for (const frame of it.stack) {
      const [name, line] = frame.split("@");
      const fn = number("function", functions, name!);
      stack = number("stack", stacks, [stack, number("frame", frames, [fn, Number(line ?? 1)])]);
    }
    return { ...it, stack, kind: clocks.indexOf(it.clocks ?? ALL_CLOCKS) };
  });
  const names = functions.map((name) => strings.push(name) - 1);
  const columns: Record<string, number[]> = {
    function_name: names,
    function_file: functions.map((name) => (name.startsWith("json.") ? 1 : 0)),
    function_line: names.map((_, i) => 10 * i + 1),
    function_kind: functions.map((name) => (name.startsWith("{") ? 1 : name.startsWith("[") ? 2 : 0)),
    frame_function: frames.map((it) => it[0]),
    frame_line: frames.map((it) => it[1]),
    stack_parent: stacks.map((it, i) => i - it[0]),
    stack_frame: stacks.map((it) => it[1]),
    cell_bucket: cells.map((it, i) => (it.bucket ?? 0) - (i ? (cells[i - 1]!.bucket ?? 0) : 0)),
    cell_thread: cells.map((it) => it.thread ?? 0),
    cell_stack: cells.map((it, i) => way(i ? cells[i - 1]!.stack : 0, it.stack)),
    cell_kind: cells.map((it) => it.kind),
    cell_samples: cells.map(() => 1),
    cell_us: cells.map((it) => it.us),
  };
  const places: Head["columns"] = {};
  let offset = 0;
  for (const [name, values] of Object.entries(columns)) {
    places[name] = ["f64", offset, values.length];
    offset += 8 * values.length;
  }
  const head = {
    title: "app.py", recording: {}, split: "", timed: false, traced: false, counted: false, memory: false, foreign: null, timeless: false, lines_from_s: 0, total_us: 0, buckets: 10, bucket_us: 1000,
    kinds: clocks.map((it) => ({ state: "running", gil: true, gc: false, parked: it === 0, waits: "", clocks: it })),
    threads: [{ name: "main", id: 1, pid: 1, command: "" }, { name: "worker", id: 2, pid: 1, command: "" }],
    strings, files: [[1, 2, 0], [3, 4, 1]], columns: places, ...change,
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const start = Math.ceil((4 + text.length) / 8) * 8;
  const bytes = new Uint8Array(start + offset);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = start;
  for (const values of Object.values(columns)) {
    bytes.set(new Uint8Array(Float64Array.from(values).buffer), at);
    at += 8 * values.length;
  }
  return new Data(bytes.buffer);
}
