// What the keyboard does: the same list that is shown under "?".

import { h } from "./dom";

const KEYS: [string, string][] = [
  ["1 … 6", "the views, in the order of their tabs"],
  ["/", "search: a regular expression over names and places"],
  ["Esc", "back: out of the search, the zoom, the range"],
  ["arrow keys", "in the flame graph: caller, callee, neighbours; in the table: rows; in the timeline: thread and range (Shift widens it), in its track of memory the moment (Shift: faster)"],
  ["Enter", "in the flame graph: zoom; in the table: the source"],
  ["+ −", "in the flame graph: wider, narrower (or Ctrl and the wheel)"],
  ["f", "callers above and callees below the chosen function"],
  ["l", "in the flame graph: libraries folded into whoever called them, or shown"],
  ["k", "in the flame graph: a function that calls itself stands once, or as often as it was entered"],
  ["h", "in the flame graph: the chosen function hidden, its time left to whoever called it"],
  ["o", "in the flame graph: the heaviest first, or as time went"],
  ["m", "in the flame graph: what colours tell: whose code, module, file, running or waiting"],
  ["p", "in the timeline: the moment at which most was resident"],
  ["s", "source of the chosen function"],
  ["c", "the next clock: wall, CPU, GIL, waiting; bytes allocated or held, where memory was tracked"],
  ["y", "copy what is shown as Markdown, where it is a table"],
  ["r", "everything again: no range, thread, process, search or zoom"],
  ["d", "light or dark"],
  ["?", "this list"],
];

export function helpDialog(): HTMLDialogElement {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keyboard"),
    h("dl.keys", {}, KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("p.quiet", {}, "The address of the page holds what is shown: copy it to show the same again."),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
  );
  return dialog;
}
