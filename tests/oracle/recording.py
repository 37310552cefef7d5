"""A recording as `pyrometer export -f json` tells it, and what a target's graph says of its stacks."""

import json
import re
from collections import Counter

UNSURE = "[unsure]"
# The number of frames stands in the name, or where the line does.
ELIDED = re.compile(r"\[(?:(\d+) )?frames elided\]$")


class Recording:
    """Samples in time order. Stacks are numbers, -1 the empty one; frames(stack) are (name, line,
    first line, file), root first."""

    def __init__(self, path):
        with open(path) as file:
            data = json.load(file)
        self.info = data["recording"]
        self.threads = data["threads"]
        self._functions = [(one["name"], one["line"], one["file"] or "") for one in data["functions"]]
        self._frames = [(one["function"], one["line"] or 0) for one in data["frames"]]
        self._stacks = [(one["parent"], one["frame"]) for one in data["stacks"]]
        self.states = data["states"] if "states" in data else data["samples"].get("states")
        samples = data["samples"]
        order = sorted(range(len(samples["stack"])), key=samples["time_us"].__getitem__)
        self.time_us = [samples["time_us"][i] for i in order]
        self.thread = [samples["thread"][i] for i in order]
        empty = {number for number, (_, frame) in enumerate(self._stacks) if frame < 0}
        self.stack = [-1 if samples["stack"][i] in empty else samples["stack"][i] for i in order]
        self.state = [samples["state"][i] for i in order]
        self.weight_us = [samples["weight_us"][i] for i in order]
        self.unsure = [samples["unsure"][i] for i in order]
        self._known = {}

    def __len__(self):
        return len(self.stack)

    def frames(self, stack):
        """Elided middles and [unsure] are frames too."""
        known = self._known.get(stack)
        if known is None:
            known, node = [], stack
            while node >= 0 and self._stacks[node][1] >= 0:
                parent, frame = self._stacks[node]
                function, line = self._frames[frame]
                name, first, file = self._functions[function]
                if ELIDED.match(name) and line:
                    name = "[%d frames elided]" % line
                known.append((name, line, first or 0, file))
                node = parent
            known.reverse()
            self._known[stack] = known
        return known

    def names(self, stack):
        return [frame[0] for frame in self.frames(stack)]


def segments(frames):
    """FRAMES without the special ones, cut where the middle was elided."""
    pieces = [[]]
    for frame in frames:
        if ELIDED.match(frame[0]):
            pieces.append([])
        elif not frame[0].startswith("["):
            pieces[-1].append(frame)
    return pieces


def fault(frames, graph):
    """Why this stack cannot be, or None."""
    for index, piece in enumerate(segments(frames)):
        if piece:
            reason = graph.segment(piece, from_root=index == 0)
            if reason:
                return reason
    return None


class Verdict:
    """All stacks of a recording judged: how many samples are impossible, and why; how many are unsure
    at the top, how many empty (no frame, or nothing but [unsure]: lost), how many unsure without the
    flag that says so, or the other way round."""

    def __init__(self, recording, graph, ordered=False):
        graph.begin()
        self.samples = len(recording)
        bare = {stack for stack in set(recording.stack) if stack < 0 or recording.names(stack) == [UNSURE]}
        self.empty = sum(stack in bare for stack in recording.stack)
        tops = {stack for stack in set(recording.stack) - {-1} if recording.names(stack)[-1] == UNSURE}
        self.unsure = sum(stack in tops for stack in recording.stack)
        self.unflagged = sum(bool(flag) != (stack in tops)
                             for stack, flag in zip(recording.stack, recording.unsure))
        self.reasons = Counter()
        self.examples = {}
        known = {}
        for stack in recording.stack:
            if stack < 0:
                continue
            if ordered or stack not in known:
                known[stack] = fault(recording.frames(stack), graph)
            reason = known[stack]
            if reason:
                self.reasons[reason] += 1
                self.examples.setdefault(reason, recording.names(stack))
        lines = sum(count for reason, count in self.reasons.items() if reason.startswith("line"))
        self.wrong_lines = lines
        self.impossible = sum(self.reasons.values()) - lines

    def explain(self, most=4):
        """A few lines for a human."""
        text = []
        for reason, count in self.reasons.most_common(most):
            names = self.examples[reason]
            shown = names if len(names) < 30 else names[:8] + ["..."] + names[-18:]
            text.append("%dx %s: %s" % (count, reason, ";".join(shown)))
        return "\n".join(text)


def last_name(name):
    return name.rsplit(".", 1)[-1]


def hits_of(recording, functions):
    """For each sample: whether one of FUNCTIONS (names) is on its stack."""
    functions = set(functions)
    known = {-1: False}
    for stack in set(recording.stack) - {-1}:
        known[stack] = any(last_name(name) in functions for name in recording.names(stack))
    return [known[stack] for stack in recording.stack]


def cells_of(recording, skip):
    """(leaf, depth) of each sample that has a stack with a frame of SKIP, counted from above that
    frame: the outermost frames, which follow the phases of the program, are left out."""
    known = {-1: None}
    for stack in set(recording.stack) - {-1}:
        names = [last_name(name) for name in recording.names(stack)]
        above = next((index for index, name in enumerate(names) if name in skip), None)
        if above is None:
            known[stack] = None
        else:
            depth = len(names) - above
            for name in names:
                elided = ELIDED.match(name)
                if elided:
                    depth += int(elided.group(1) or 1) - 1
            leaf = names[-1] if names[-1] not in skip else "top"
            known[stack] = (leaf, depth)
    return [known[stack] for stack in recording.stack if known[stack] is not None]
