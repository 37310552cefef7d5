import { expect, test } from "vitest";

import { csv, escaped } from "../src/export";
import { change, count, ratio, time } from "../src/format";
import { code, markdownTable } from "../src/markdown";
import { PLAIN, Profile, type Filter } from "../src/model";
import { fromFragment, initialState, needsTimes, toFragment } from "../src/state";
import type { Tree } from "../src/tree";
import { recording, ways } from "./recording";

const SAMPLES = [
  { stack: ["main@1", "a@2"], us: 30 },
  { stack: ["main@1", "a@2", "b@3"], us: 50, bucket: 2 },
  { stack: ["main@1", "c@4", "a@5"], us: 20, bucket: 5, thread: 1, clocks: 0b0001 },
  { stack: ["main@1", "c@4", "a@5", "a@6", "{built-in method f}@0", "b@7"], us: 100, bucket: 9, thread: 1 },
];

function open(): { profile: Profile; fn: (name: string) => number; all: Filter } {
  const profile = new Profile(recording(SAMPLES));
  const fn = (name: string): number => {
    for (let i = 0; i < profile.functionCount; i++) if (profile.nameOf(i) === name) return i;
    throw new Error(name);
  };
  return { profile, fn, all: profile.everything() };
}

/** "main 200 > c 120 > ..." of each entry, in preorder. */
function paths(profile: Profile, tree: Tree): string[] {
  return [...Array(tree.count).keys()].slice(1).map((i) => `${"  ".repeat(tree.depth[i]! - 1)}${profile.nameOf(tree.key[i]!)} ${tree.total[i]}`);
}

test("a function that recurses has its time once", () => {
  const { profile, fn, all } = open();
  const totals = profile.totals(all);
  expect(totals.all).toBe(200);
  expect(totals.total[fn("a")]).toBe(200);
  expect(totals.self[fn("a")]).toBe(50);
  expect(totals.total[fn("b")]).toBe(150);
  expect(totals.total[fn("c")]).toBe(120);
});

test("the heaviest child comes first, and each box lies within its parent's", () => {
  const { profile, all } = open();
  const tree = profile.tree(all);
  expect(paths(profile, tree)).toEqual([
    "main 200",
    "  c 120",
    "    a 120",
    "      a 100",
    "        {built-in method f} 100",
    "          b 100",
    "  a 80",
    "    b 50",
  ]);
  for (let i = 1; i < tree.count; i++) {
    const parent = tree.parent[i]!;
    expect(tree.start[i]).toBeGreaterThanOrEqual(tree.start[parent]!);
    expect(tree.start[i]! + tree.total[i]!).toBeLessThanOrEqual(tree.start[parent]! + tree.total[parent]!);
    expect(tree.end[i]).toBeLessThanOrEqual(tree.end[parent]!);
  }
});

test("callers and callees: through C functions, recursion once", () => {
  const { profile, fn, all } = open();
  const named = (edges: { function: number; time: number }[]): [string, number][] => edges.map((it) => [profile.nameOf(it.function), it.time]);
  expect(named(profile.neighbours(fn("a"), all).callers)).toEqual([["c", 120], ["a", 100], ["main", 80]]);
  expect(named(profile.neighbours(fn("a"), all).callees)).toEqual([["b", 150], ["a", 100], ["{built-in method f}", 100]]);
  expect(named(profile.neighbours(fn("main"), all).callers)).toEqual([["<root>", 200]]);
});

test("a function between its callers and its callees", () => {
  const { profile, fn, all } = open();
  expect(paths(profile, profile.callees(fn("b"), all))).toEqual([]);
  expect(paths(profile, profile.callers(fn("b"), all).tree)).toEqual([
    "{built-in method f} 100",
    "  a 100",
    "    a 100",
    "      c 100",
    "        main 100",
    "a 50",
    "  main 50",
  ]);
  expect(profile.callees(fn("a"), all).total[0]).toBe(200);
});

test("folded libraries leave their time to whoever called them", () => {
  const profile = new Profile(
    recording([
      { stack: ["main@1", "json.dumps@2", "{built-in method f}@0"], us: 30 },
      { stack: ["main@1", "json.dumps@2", "default@3", "{built-in method g}@0"], us: 20 },
      { stack: ["main@1", "{built-in method f}@0"], us: 5 },
      { stack: ["json.start@9", "main@1"], us: 7 },
      { stack: ["json.start@9"], us: 1 },
    ]),
  );
  const tree = profile.tree(profile.everything(), { ...PLAIN, folded: true });
  expect(paths(profile, tree)).toEqual(["main 62", "  default 20", "    {built-in method g} 20", "  {built-in method f} 5"]);
  expect([tree.total[0], tree.self[0], tree.self[1]]).toEqual([63, 1, 37]);
});

test("a hidden function leaves its time to whoever called it", () => {
  const { profile, fn, all } = open();
  const tree = profile.tree(all, { ...PLAIN, hidden: [fn("a"), fn("c")] });
  expect(paths(profile, tree)).toEqual(["main 200", "  {built-in method f} 100", "    b 100", "  b 50"]);
  expect(tree.self[1]).toBe(50);
});

test("collapsed, a function that calls itself stands once, whatever stands between", () => {
  const profile = new Profile(
    recording([
      { stack: ["main@1", "a@2", "a@3", "b@4"], us: 30 },
      { stack: ["main@1", "a@2", "c@3", "a@4", "a@5"], us: 20 },
      { stack: ["main@1", "c@3"], us: 5 },
    ]),
  );
  const tree = profile.tree(profile.everything(), { ...PLAIN, collapsed: true });
  expect(paths(profile, tree)).toEqual(["main 55", "  a 50", "    b 30", "  c 5"]);
  expect(tree.self[2]).toBe(20);
});

test("as time went: what goes on is one box, what comes back another", () => {
  const profile = new Profile(
    recording([
      { stack: ["main@1", "a@2"], us: 5, bucket: 0 },
      { stack: ["other@1"], us: 3, bucket: 0, thread: 1 },
      { stack: ["main@1", "a@2", "b@3"], us: 30, bucket: 1 },
      { stack: ["main@1", "c@3"], us: 7, bucket: 2 },
      { stack: ["main@1", "a@2"], us: 11, bucket: 3 },
      { stack: ["z@1"], us: 2, bucket: 3 },
    ]),
  );
  const ordered = { ...PLAIN, ordered: true };
  const tree = profile.tree(profile.everything(), ordered);
  expect(paths(profile, tree)).toEqual(["main 53", "  a 35", "    b 30", "  c 7", "  a 11", "z 2"]);
  expect([...tree.start]).toEqual([0, 0, 0, 5, 35, 42, 53]);
  expect([...tree.end]).toEqual([7, 6, 4, 4, 5, 6, 7]);
  expect(paths(profile, profile.tree({ ...profile.everything(), thread: 1 }, ordered))).toEqual(["other 3"]);
  expect(paths(profile, profile.tree({ ...profile.everything(), from: 1, to: 3 }, ordered))).toEqual(["main 37", "  a 30", "    b 30", "  c 7"]);
});

test("how much of a box was waited", () => {
  const kinds = [{ state: "running", waits: "" }, { state: "waiting", waits: "sleep" }].map((it, i) => ({ ...it, gil: !i, gc: false, parked: false, clocks: [15, 9][i]! }));
  const profile = new Profile(
    recording([{ stack: ["main@1", "a@2"], us: 30 }, { stack: ["main@1", "b@3"], us: 10, clocks: 9 }, { stack: ["main@1"], us: 5, clocks: 9 }], { kinds }),
  );
  for (const ordered of [false, true]) {
    const tree = profile.tree(profile.everything(), { ...PLAIN, ordered });
    expect(paths(profile, tree)).toEqual(["main 45", "  a 30", "  b 10"]);
    expect([...tree.waits]).toEqual([15, 15, 0, 10]);
  }
});

test("a table for a spreadsheet: quoted where it must be, and no formula", () => {
  expect(csv(["a", "b"], [[1.5, "x"], [NaN, 'say "a, b"\n'], [0, "=1+2"], [0, "-x"]])).toBe(
    'a,b\r\n1.5,x\r\n,"say ""a, b""\n"\r\n0,\'=1+2\r\n0,\'-x\r\n',
  );
  expect(escaped('<a b="&">\u0000\ud800')).toBe("&#60;a b=&#34;&#38;&#34;&#62;\ufffd\ufffd");
});

/** Six steps in 10 ms; at 2 and 6 ms it was noted which lines had it. */
function overTime(change: Partial<{ tracked: boolean }> = {}): Profile {
  return new Profile(
    recording(SAMPLES, { over_time: { tracked: true, until_us: 10000, thinned: false, ...change } }, {
      look_ms: ways([1, 2, 4, 5, 6, 9]),
      look_rss: ways([10, 20, 90, 40, 40, 30]),
      look_live: ways([5, 10, 30, 60, 20, 10]),
      look_native: ways([0, 1, 2, 3, 2, 1]),
      look_processes: ways([1, 1, 2, 2, 1, 1]),
      moment_ms: ways([2, 6]),
      moment_live: [8, 20],
      moment_lines: [1, 2],
      holder_function: [1, 1, 0],
      holder_line: [2, 2, 1],
      holder_bytes: [4096, 10240, 2048],
    }),
  );
}

test("memory over time: a step holds until the next one", () => {
  const memory = overTime().overTime!;
  expect([memory.count, memory.peak, memory.top]).toEqual([6, 2, 90 * 1024]);
  expect([0, 999, 1000, 3999, 4000, 9999, 1e9].map((us) => memory.at(us))).toEqual([0, 0, 0, 1, 2, 5, 5]);
  expect([memory.of("rss", 2), memory.of("live", 3), memory.of("native", 3), memory.of("rss", 6)]).toEqual([90 * 1024, 60 * 1024, 3 * 1024, 0]);
  expect([...memory.processes]).toEqual([1, 1, 2, 2, 1, 1]);
});

test("memory over time: a picture has the most of each part, and nothing before the first look", () => {
  const memory = overTime().overTime!;
  const kib = (values: Float64Array): number[] => [...values].map((it) => it / 1024);
  expect(kib(memory.columns("rss", 10, 10000))).toEqual([NaN, 10, 20, 20, 90, 40, 40, 40, 40, 30]);
  expect(kib(memory.columns("rss", 2, 10000))).toEqual([90, 40]);
  expect(kib(memory.columns("live", 2, 10000))).toEqual([30, 60]);
  expect(kib(memory.columns("rss", 4, 20000))).toEqual([90, 40, 30, NaN]);
});

test("memory over time: which lines had it, as noted while a step held, or near it", () => {
  const profile = overTime();
  const memory = profile.overTime!;
  expect(memory.moments.map((it) => it.holders.map(({ fn, line, bytes }) => [profile.nameOf(fn), line, bytes]))).toEqual([
    [["a", 2, 4096]],
    [["a", 2, 10240], ["main", 1, 2048]],
  ]);
  expect([0, 1, 2, 3, 4, 5].map((step) => memory.momentOf(step)!.us)).toEqual([2000, 2000, 2000, 6000, 6000, 6000]);
  expect(memory.momentOf(0)!.live).toBe(8192);
  expect(memory.rows(3)).toEqual([0, 2, 3, 5]);
  expect(memory.rows(10)).toEqual([0, 1, 2, 3, 4, 5]);
});

test("what was only looked at begins with the timeline", () => {
  const looks = { look_ms: ways([1, 2]), look_rss: ways([10, 20]), look_processes: ways([1, 1]) };
  const head = { over_time: { tracked: false, until_us: 5000, thinned: false } };
  const alone = new Profile(recording([], head, looks));
  expect([alone.onlyLooks, initialState(alone).view, alone.overTime!.series, alone.overTime!.momentOf(0)]).toEqual([true, "timeline", ["rss"], null]);
  const sampled = new Profile(recording(SAMPLES, head, looks));
  expect([sampled.onlyLooks, initialState(sampled).view]).toEqual([false, "summary"]);
  expect(new Profile(recording(SAMPLES)).overTime).toBe(null);
  expect(fromFragment("#at=1500", initialState(sampled), sampled).at).toBe(1500);
});

test("of a file of counted lines a line has its time, and begins with the source", () => {
  const profile = new Profile(recording([{ stack: ["main@1"], us: 0 }], { lines_alone: true }, { line_function: [0, 0], line_line: [1, 3], line_hits: [3, 1], line_total: [500, 70] }));
  expect(initialState(profile).view).toBe("source");
  expect(profile.fileLines(0, profile.everything()).map((it) => [it.line, it.hits, it.own, it.total])).toEqual([[1, 2, 0, 500], [3, 0, 0, 70]]);
  expect(profile.hotFiles(profile.everything())).toEqual([{ file: 0, own: 570 }]);
});

test("range, thread and clock choose samples", () => {
  const { profile, all } = open();
  expect(profile.totals({ ...all, from: 2, to: 6 }).all).toBe(70);
  expect(profile.totals({ ...all, thread: 0 }).all).toBe(80);
  expect(profile.totals({ ...all, clock: "cpu" }).all).toBe(180);
  expect(profile.processes()).toEqual([]);
});

test("a process has the time of its threads", () => {
  const threads = [1, 2].map((pid) => ({ name: "main", id: pid, pid, command: `python ${pid}.py` }));
  const profile = new Profile(recording(SAMPLES, { threads }));
  const of = (process: number): number => profile.totals({ ...profile.everything(), process }).all;
  expect([of(1), of(2), of(-1), of(3)]).toEqual([80, 120, 200, 0]);
  expect(profile.totals({ ...profile.everything(), process: 2, thread: 0 }).all).toBe(0);
  expect(profile.isEverything({ ...profile.everything(), process: 1 })).toBe(false);
  expect(profile.processes()).toEqual([{ pid: 1, name: "process 1: python 1.py" }, { pid: 2, name: "process 2: python 2.py" }]);
  const initial = initialState(profile);
  expect(fromFragment("#process=2", initial, profile).process).toBe(2);
  expect(fromFragment("#process=3", initial, profile).process).toBe(-1);
});

test("of a large recording the sums come first, the times later", () => {
  const full = recording(SAMPLES.map((it) => ({ ...it, thread: 0 }))); // then a cell is told from the last one, as a sum is
  const sums = { sum_stack: "cell_stack", sum_thread: "cell_thread", sum_kind: "cell_kind", sum_samples: "cell_samples", sum_us: "cell_us" };
  const first = new Profile({ head: full.head, column: (name: string) => (name.startsWith("cell_") ? new Uint8Array(0) : full.column(sums[name as keyof typeof sums] ?? name)) } as never);
  expect(first.timesKnown).toBe(false);
  expect(first.totals(first.everything()).all).toBe(200);
  expect(needsTimes(initialState(first), first)).toBe(false);
  expect(needsTimes({ ...initialState(first), view: "timeline" }, first)).toBe(true);
  expect(needsTimes({ ...initialState(first), from: 2 }, first)).toBe(true);
  first.takeTimes(full);
  expect(first.timesKnown).toBe(true);
  expect(first.totals({ ...first.everything(), from: 2, to: 6 }).all).toBe(70);
});

test("a line has the time of what it called", () => {
  const { profile, all } = open();
  const lines = new Map(profile.fileLines(0, all).map((it) => [it.line, [it.own, it.total]]));
  expect(lines.get(1)).toEqual([0, 200]);
  expect(lines.get(2)).toEqual([30, 80]);
  expect(lines.get(6)).toEqual([0, 100]); // the C function that it calls is left for b
  expect(lines.get(5)).toEqual([20, 120]);
  expect(profile.hottestLines(all, 1)[0]).toMatchObject({ line: 7, own: 100 });
});

test("two functions in one line, one calling the other: the line has its time once", () => {
  const profile = new Profile(recording([{ stack: ["main@1", "outer@2", "inner@2", "deep@3"], us: 40 }, { stack: ["main@1", "outer@2", "inner@2"], us: 7 }]));
  const lines = new Map(profile.fileLines(0, profile.everything()).map((it) => [it.line, [it.own, it.total]]));
  expect(lines.get(2)).toEqual([7, 47]);
  expect(lines.get(3)).toEqual([40, 40]);
});

test("a C function's time is its caller's line's own", () => {
  const profile = new Profile(recording([{ stack: ["main@1", "a@2", "{built-in method f}@0"], us: 40 }, { stack: ["main@1"], us: 1 }]));
  expect(profile.hottestLines(profile.everything(), 9)).toMatchObject([{ line: 2, own: 40 }, { line: 1, own: 1 }]);
});

test("a very deep stack is no recursion of ours", () => {
  const deep = { stack: [...Array(20000).keys()].map((i) => `f${i % 2}`), us: 7 };
  const profile = new Profile(recording([deep]));
  expect(profile.tree(profile.everything()).deepest).toBe(20000);
  expect(profile.totals(profile.everything()).total[0]).toBe(7);
  expect(profile.callers(1, profile.everything()).cut).toBe(false);
});

test("nothing at all is a tree of its root", () => {
  const profile = new Profile(recording([]));
  expect(profile.tree(profile.everything()).count).toBe(1);
  expect(profile.totals(profile.everything()).all).toBe(0);
});

test("the page begins with the hottest function, not with what is none", () => {
  const profile = new Profile(recording([{ stack: ["main@1", "[unsure]@0"], us: 90 }, { stack: ["main@1", "a@2"], us: 20 }, { stack: ["main@1"], us: 10 }]));
  expect(profile.nameOf(initialState(profile).fn)).toBe("a");
  expect(initialState(new Profile(recording([]))).fn).toBe(-1);
});

test("what an address holds is what is shown; what is no value is left out", () => {
  const { profile } = open();
  const initial = initialState(profile);
  const state = { ...initial, hidden: [0, 2], order: "time" as const, view: "table" as const, from: 2, to: 5, search: "a&b=#", fn: 1 };
  expect(fromFragment(`#${toFragment(state, initial)}`, initial, profile)).toEqual(state);
  expect(toFragment(initial, initial)).toBe("");
  expect(fromFragment("#view=x&fn=1e9&from=7&to=3&thread=-5&zoom=1.5&view=difference&hidden=x,,-1,99&order=up&color=red", initial, profile)).toEqual(initial);
});

test("names are code in Markdown, whatever they hold", () => {
  expect(["down", "a|b", "two\nlines", "a `b` c", "``", " x"].map(code)).toEqual(["`down`", "`a\\|b`", "`two lines`", "`` a `b` c ``", "``` `` ```", "`  x `"]);
  expect(markdownTable(["n", "name"], [["1", code("x")]], 1)).toBe("| n | name |\n| ---: | --- |\n| 1 | `x` |");
  expect([ratio(4, 1), ratio(0, 1), ratio(1, 0), ratio(NaN, 1)]).toEqual(["× 0.25", "", "", ""]);
});

test("numbers as people read them", () => {
  expect([0.5, 12, 999.6, 4020000, 723e6, 0].map(time)).toEqual(["500 ns", "12.0 µs", "1.00 ms", "4.02 s", "12 min 03 s", "0"]);
  expect([change(-830000), change(5e6), change(0)]).toEqual(["−830 ms", "+5.00 s", "±0"]);
  expect(count(1234567)).toBe("1 234 567");
});
