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
export const ways = (values: number[]): number[] => values.map((it, i) => way(i ? values[i - 1]! : 0, it));
const ALL_CLOCKS = 0b1111;

/** Stacks merged by function, as src/view/order.c numbers them; children as they were first seen. */
function inPreorder(stacks: [number, number][], frames: [number, number][]): Record<"up" | "key" | "merged" | "which" | "stacks", number[]> {
  const nodeOf = [0];
  const nodes: { key: number; children: number[]; stacks: number[] }[] = [{ key: 0, children: [], stacks: [0] }];
  for (let stack = 1; stack < stacks.length; stack++) {
    const [parent, key] = [nodeOf[stacks[stack]![0]]!, frames[stacks[stack]![1]]![0]];
    let node = nodes[parent]!.children.find((it) => nodes[it]!.key === key);
    if (node === undefined) nodes[parent]!.children.push((node = nodes.push({ key, children: [], stacks: [] }) - 1));
    nodes[node]!.stacks.push(stack);
    nodeOf[stack] = node;
  }
  const made: Record<"up" | "key" | "merged" | "which" | "stacks", number[]> = { up: [], key: [], merged: [], which: [], stacks: [] };
  const open: [number, number][] = [[0, 0]]; // a node and its depth
  for (let before = -1; open.length; ) {
    const [node, depth] = open.pop()!;
    made.up.push(before + 1 - depth);
    made.key.push(nodes[node]!.key);
    made.merged.push(nodes[node]!.stacks.length);
    for (const stack of nodes[node]!.stacks) {
      made.stacks.push(stack);
      made.which.push(stack ? nodes[nodeOf[stacks[stack]![0]]!]!.stacks.indexOf(stacks[stack]![0]) : 0);
    }
    for (const child of [...nodes[node]!.children].reverse()) open.push([child, depth + 1]);
    before = depth;
  }
  return made;
}

export function recording(samples: Sampled[], change: Partial<Head> = {}, more: Record<string, number[]> = {}): Data {
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
  const order = inPreorder(stacks, frames);
  const sorted = frames.map((_, i) => i).sort((a, b) => frames[a]![0] - frames[b]![0] || frames[a]![1] - frames[b]![1]);
  const place = frames.map((it, i) => sorted.filter((other) => frames[other]![0] === it[0]).indexOf(i));
  const numbers = new Map(order.stacks.map((stack, i) => [stack, i]));
  const last = new Map<number, number>();
  const names = functions.map((name) => strings.push(name) - 1);
  const columns: Record<string, number[]> = {
    function_name: ways(names),
    function_file: ways(functions.map((name) => (name.startsWith("json.") ? 1 : 0))),
    function_line: names.map((_, i) => 10 * i + 1),
    function_kind: functions.map((name) => (name.startsWith("{") ? 1 : name.startsWith("[") ? 2 : 0)),
    frame_function: ways(sorted.map((it) => frames[it]![0])),
    frame_line: ways(sorted.map((it) => frames[it]![1])),
    node_up: order.up,
    node_function: order.key,
    node_stacks: order.merged,
    stack_parent: order.which,
    stack_frame: order.stacks.map((it) => (it ? place[stacks[it]![1]]! : 0)),
    cell_bucket: ways(cells.map((it) => it.bucket ?? 0)),
    cell_thread: ways(cells.map((it) => it.thread ?? 0)),
    cell_stack: cells.map((it) => {
      const [thread, stack] = [it.thread ?? 0, numbers.get(it.stack)!];
      const from = last.get(thread) ?? 0;
      last.set(thread, stack);
      return way(from, stack);
    }),
    cell_kind: cells.map((it) => it.kind),
    cell_samples: cells.map(() => 1),
    cell_us: cells.map((it) => it.us),
    ...more,
  };
  const places: Head["columns"] = {};
  let offset = 0;
  for (const [name, values] of Object.entries(columns)) {
    places[name] = ["f64", offset, values.length];
    offset += 8 * values.length;
  }
  const head = {
    title: "app.py", recording: {}, split: "", timed: false, traced: false, counted: false, memory: false, memory_period: 0, foreign: null, timeless: false, lines_alone: false, lines_from_s: 0, total_us: 0, buckets: 10, bucket_us: 1000,
    kinds: clocks.map((it) => ({ state: "running", gil: true, gc: false, parked: it === 0, waits: "", clocks: it })),
    threads: [{ name: "main", id: 1, pid: 1, command: "" }, { name: "worker", id: 2, pid: 1, command: "" }],
    strings, files: [[1, 2, 0], [3, 4, 1]], columns: places, ...change,
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const start = 4 + text.length;
  const bytes = new Uint8Array(start + offset);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = start;
  for (const values of Object.values(columns)) {
    const whole = new Uint8Array(Float64Array.from(values).buffer);
    for (let byte = 0; byte < 8; byte++) for (let i = 0; i < values.length; i++) bytes[at++] = whole[8 * i + byte]!;
  }
  return new Data(bytes.buffer);
}
