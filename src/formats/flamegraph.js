/* The behaviour of the exported picture: it draws the boxes from the data in <metadata>, for any width and zoom.
 * Names come from the profiled program and are hostile: they only ever become text nodes and attribute values. */
(function () {
"use strict";

const SVG = "http://www.w3.org/2000/svg", XHTML = "http://www.w3.org/1999/xhtml";
const ROW = 19, BOX = 18, SIDE = 16, TOP = 98, FOOT = 30, THINNEST = 0.6, PLAIN_WIDTH = 900;

const script = document.currentScript;
const svg = (script && script.ownerSVGElement) || document.documentElement;
const data = JSON.parse(svg.querySelector("metadata").textContent);
const boxes = svg.querySelector(".boxes"), status = svg.querySelector(".status");
const count = data.depth.length, whole = data.total[0] || 1;

/* ---- the tree: nodes are in preorder, the largest child first ---- */

const parent = new Int32Array(count), end = new Int32Array(count), start = new Float64Array(count);
(function linkTree() {
    const path = [], cursor = [];
    for (let i = 0; i < count; i++) {
        const depth = data.depth[i];
        for (let d = depth; d < path.length; d++) end[path[d]] = i;
        path.length = depth;
        parent[i] = depth ? path[depth - 1] : -1;
        start[i] = depth ? cursor[depth - 1] : 0;
        if (depth) cursor[depth - 1] += data.total[i];
        cursor[depth] = start[i];
        path.push(i);
    }
    for (const i of path) end[i] = count;
})();

/* Node 0 is the whole program and names[0] is its name: never a match. */
const nameOf = (i) => data.names[data.name[i]];
const isInside = (i, outer) => i >= outer && i < end[outer];

/* ---- words ---- */

const SIZES = ["KiB", "MiB", "GiB", "TiB"];
function size(bytes) {
    if (bytes < 1024) return bytes + " B";
    const unit = Math.min(Math.floor(Math.log2(bytes) / 10), SIZES.length);
    return (bytes / 1024 ** unit).toFixed(1) + " " + SIZES[unit - 1];
}
function time(us) {
    const s = us / 1e6;
    if (s < 0.001) return us.toFixed(0) + " us";
    if (s < 1) return (s * 1000).toFixed(s < 0.01 ? 1 : 0) + " ms";
    return s < 100 ? s.toFixed(2) + " s" : s.toFixed(0) + " s";
}
const amount = data.bytes ? size : time;
function percent(share) {
    const p = share * 100;
    return (p >= 10 ? p.toFixed(1) : p >= 0.1 ? p.toFixed(2) : p.toFixed(3)) + " %";
}
function make(name, attributes, parentNode, text) {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    if (parentNode) parentNode.appendChild(element);
    return element;
}

/* ---- state ---- */

let focus = 0, selected = -1, pattern = null, upward = false;
const probe = make("text", { class: "probe", x: 0, y: -100 }, svg, "MMMMMMMMMMMMMMMMMMMM");
const letter = probe.getComputedTextLength() / 20 || 7;
probe.remove();

const hits = new Uint8Array(count);
let hitNames = [];

/* ---- drawing ---- */

function width() {
    const box = svg.getBoundingClientRect();
    return Math.max((box.width || PLAIN_WIDTH) - 2 * SIDE, 100);
}

function drawBox(i, x, w, row, rows, above) {
    const [name, where, kind, hue] = nameOf(i);
    const group = document.createElementNS(SVG, "g");
    group.setAttribute("class", "box " + kind + (above ? " above" : "") + (hits[i] ? " hit" : ""));
    group.setAttribute("style", "--h:" + hue);
    group.setAttribute("tabindex", "-1");
    group.dataset.i = i;
    const y = (upward ? rows - 1 - row : row) * ROW;
    make("rect", { x: x.toFixed(2), y: y, width: Math.max(w - 0.6, 0.4).toFixed(2), height: BOX, rx: w > 6 ? 2 : 0 },
         group);
    const room = Math.floor((w - 8) / letter);
    if (room >= 2) {
        const text = make("text", { x: (x + 4).toFixed(2), y: y + 13 }, group);
        text.appendChild(document.createTextNode(name.length <= room ? name : name.slice(0, room - 1) + "…"));
        if (where && name.length + 2 + where.length <= room)
            make("tspan", { class: "where", dx: letter }, text, where);
    }
    group.setAttribute("aria-label", name + ", " + amount(data.total[i]) + ", " + percent(data.total[i] / whole));
    return group;
}

function draw() {
    const w = width(), scale = w / (data.total[focus] || 1), drawn = document.createDocumentFragment();
    const visible = [];
    let rows = 1;
    for (let i = 0; i < count;) {
        const above = i !== focus && isInside(focus, i);
        const boxWidth = above ? w : data.total[i] * scale;
        if (!above && (!isInside(i, focus) || boxWidth < THINNEST)) {
            i = end[i];
            continue;
        }
        visible.push([i, above ? 0 : (start[i] - start[focus]) * scale, boxWidth, above]);
        rows = Math.max(rows, data.depth[i] + 1);
        i++;
    }
    for (const [i, x, boxWidth, above] of visible) drawn.appendChild(drawBox(i, x, boxWidth, data.depth[i], rows, above));
    boxes.replaceChildren(drawn);
    const height = TOP + rows * ROW + FOOT;
    svg.setAttribute("height", svg === document.documentElement ? Math.max(height, window.innerHeight) : height);
    const foot = svg.querySelector(".foot");
    if (foot) foot.setAttribute("y", TOP + rows * ROW + 20);
    if (selected >= 0) {
        const box = boxOf(selected);
        if (box) box.focus({ preventScroll: true });
    }
}

const boxOf = (i) => boxes.querySelector('[data-i="' + i + '"]');

function say(parts) {
    status.replaceChildren();
    for (const [text, strong] of parts) make("tspan", strong ? { class: "strong" } : {}, status, text);
}

function describe() {
    const parts = [];
    if (pattern === false) {
        parts.push(["not a regular expression", true]);
    } else if (pattern) {
        let sum = 0;
        for (let i = 0; i < count; i++) {
            const inView = isInside(i, focus) || (hits[i] && isInside(focus, i));
            if (hits[i] && inView) {
                sum += isInside(focus, i) ? data.total[focus] : data.total[i];
                i = isInside(focus, i) ? count : end[i] - 1;
            }
        }
        const of = focus ? " of the zoomed box" : " of all";
        parts.push([percent(sum / (data.total[focus] || 1)), true], [of + ", " + amount(sum), false],
                   [" in " + hitNames.length + (hitNames.length === 1 ? " name" : " names") + " that match", false]);
    }
    if (focus) {
        if (parts.length) parts.push([" · ", false]);
        parts.push(["zoomed into ", false], [nameOf(focus)[0], true],
                   [" " + amount(data.total[focus]) + ", " + percent(data.total[focus] / whole) + " of all", false]);
    }
    if (!parts.length)
        parts.push(["click or Enter: zoom · Esc: back · /: search · arrows: move · i: flip", false]);
    say(parts);
    resetButton.disabled = !focus && pattern === null;
}

/* ---- zoom, search, selection ---- */

function zoom(i) {
    focus = Math.max(i, 0);
    hideTip();
    draw();
    describe();
}

function search(text) {
    hits.fill(0);
    hitNames = [];
    pattern = null;
    if (text) {
        try {
            pattern = new RegExp(text, "i");
        } catch (error) {
            pattern = false;
        }
    }
    if (pattern) {
        const matches = data.names.map(([name, where], i) => i > 0 && (pattern.test(name) || pattern.test(where)));
        hitNames = matches.filter(Boolean);
        for (let i = 1; i < count; i++) hits[i] = matches[data.name[i]] ? 1 : 0;
    }
    input.classList.toggle("bad", pattern === false);
    boxes.classList.toggle("searching", !!pattern);
    draw();
    describe();
}

function reset() {
    focus = 0;
    selected = -1;
    input.value = "";
    search("");
}

function select(i) {
    if (i < 0 || i >= count) return;
    selected = i;
    let box = boxOf(i);
    if (!box) {
        zoom(parent[i]);
        box = boxOf(i);
    }
    if (!box) return;
    box.focus();
    const shape = box.firstChild;
    showTip(i, Number(shape.getAttribute("x")) + SIDE + 12, Number(shape.getAttribute("y")) + TOP + ROW);
}

function sibling(i, step) {
    const above = parent[i];
    if (above < 0) return -1;
    let before = -1;
    for (let at = above + 1; at < end[above]; at = end[at]) {
        if (step < 0 && at === i) return before;
        if (step > 0 && before === i) return at;
        before = at;
    }
    return -1;
}

/* ---- the tip at the pointer ---- */

const tip = make("g", { class: "tip", visibility: "hidden" }, svg);

function hideTip() {
    tip.setAttribute("visibility", "hidden");
}

function showTip(i, x, y) {
    const [name, where, , , file] = nameOf(i);
    const lines = [[name, "name"], [file || where, ""]];
    lines.push([amount(data.total[i]) + ", " + percent(data.total[i] / whole) + " of all" +
                (focus ? ", " + percent(data.total[i] / data.total[focus]) + " of the zoomed box" : ""), ""]);
    lines.push([amount(data.self[i]) + " of it itself · " + data.samples[i] +
                " " + data.unit + (data.samples[i] === 1 ? "" : "s"), ""]);
    tip.replaceChildren();
    const frame = make("rect", { rx: 6 }, tip);
    let row = 0, widest = 0;
    for (const [text, kind] of lines) {
        if (!text) continue;
        const shown = text.length > 110 ? text.slice(0, 40) + "…" + text.slice(-68) : text;
        const element = make("text", { x: 10, y: 19 + 17 * row++, class: kind }, tip, shown);
        widest = Math.max(widest, element.getComputedTextLength());
    }
    const w = widest + 20, h = 17 * row + 12, all = svg.getBoundingClientRect();
    frame.setAttribute("width", w);
    frame.setAttribute("height", h);
    const left = Math.max(4, Math.min(x + 14, all.width - w - 4));
    const below = all.top + y + 18 + h < window.innerHeight - 2;
    tip.setAttribute("transform", "translate(" + left + "," + (below ? y + 18 : y - h - 10) + ")");
    tip.setAttribute("visibility", "visible");
}

/* ---- tools ---- */

const holder = make("foreignObject", { x: 0, y: 12, width: "100%", height: 34 }, svg);
const tools = document.createElementNS(XHTML, "div");
tools.className = "tools";
tools.style.paddingRight = SIDE + "px";
holder.appendChild(tools);

function tool(name, attributes, text) {
    const element = document.createElementNS(XHTML, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    element.textContent = text;
    tools.appendChild(element);
    return element;
}
const input = tool("input", { type: "search", placeholder: "search: regular expression", "aria-label": "search" }, "");
const flipButton = tool("button", { title: "root at the top or at the bottom (i)" }, "Flip");
const resetButton = tool("button", { title: "whole picture, no search (r)" }, "Reset");

/* Keep the tools off the title where there is no room beside it. */
function place() {
    const narrow = svg.getBoundingClientRect().width < 900;
    holder.setAttribute("y", narrow ? 56 : 12);
    input.style.width = narrow ? "150px" : "";
    status.setAttribute("visibility", narrow && !focus && pattern === null ? "hidden" : "visible");
}

function flip() {
    upward = !upward;
    draw();
}

/* ---- events ---- */

const indexOf = (event) => {
    const box = event.target.closest && event.target.closest(".box");
    return box ? Number(box.dataset.i) : -1;
};
boxes.addEventListener("click", (event) => {
    const i = indexOf(event);
    if (i < 0) return;
    selected = i;
    zoom(i);
});
boxes.addEventListener("mousemove", (event) => {
    const i = indexOf(event), all = svg.getBoundingClientRect();
    if (i < 0) hideTip();
    else showTip(i, event.clientX - all.left, event.clientY - all.top);
});
boxes.addEventListener("mouseleave", hideTip);
let waiting = 0;
input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => search(input.value), 60);
});
flipButton.addEventListener("click", flip);
resetButton.addEventListener("click", reset);

const keys = {
    ArrowDown: () => select(selected < 0 ? focus : upward ? parent[selected] : firstChild(selected)),
    ArrowUp: () => select(selected < 0 ? focus : upward ? firstChild(selected) : parent[selected]),
    ArrowLeft: () => select(sibling(selected, -1)),
    ArrowRight: () => select(sibling(selected, 1)),
    Enter: () => selected >= 0 && zoom(selected),
    Backspace: () => focus && zoom(parent[focus]),
    "/": () => { input.focus(); input.select(); },
    i: flip,
    r: reset,
};
function firstChild(i) {
    return end[i] > i + 1 ? i + 1 : -1;
}
document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
        if (input.value) {
            input.value = "";
            search("");
        } else {
            selected = -1;
            zoom(0);
        }
        input.blur();
        return;
    }
    if (event.target === input || event.target === flipButton || event.target === resetButton) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
});
window.addEventListener("resize", () => { place(); draw(); });

boxes.removeAttribute("style");
boxes.removeAttribute("width");
boxes.setAttribute("x", SIDE);
place();
draw();
describe();
})();
