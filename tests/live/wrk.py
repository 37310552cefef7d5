"""wrk, the load generator: clients of several paths at once, some of whom have a token. For the test and the benchmark of servers under load."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT_S = 30  # a request that takes as long has failed


@dataclass
class Seen:
    """By all clients."""

    requests: int = 0
    wrong: int = 0  # those that failed, or were answered otherwise than expected
    failed: list[str] = field(default_factory=list)  # the same in words, a line for each wrk that saw any
    profiled: int = 0  # requests with a token
    told: int = 0  # answers with X-Profile
    recorded: dict[str, str] = field(default_factory=dict)  # path of each id that was told
    plain_us: dict[int, int] = field(default_factory=dict)  # how many requests without a token took so long, in steps of 0.1 ms

    def p99_s(self) -> float:
        """Of requests without a token."""
        left = 0.01 * sum(self.plain_us.values())
        for took_us in sorted(self.plain_us, reverse=True):
            left -= self.plain_us[took_us]
            if left < 0:
                return took_us / 1e6
        raise ValueError("nothing was answered")

    def add(self, path: str, profiled: bool, found: dict) -> None:
        """What one wrk said."""
        self.requests += found["requests"]
        self.wrong += found["wrong"] + found["broken"]
        if found["wrong"] or found["broken"]:
            self.failed.append(f"{path}: {found['wrong']} wrong ({found['first_wrong']}), {found['broken']} broken off")
        self.told += found["told"]
        self.recorded |= dict.fromkeys(found["ids"].split(), path)
        if profiled:
            self.profiled += found["requests"]
            return
        if found["told"]:
            self.wrong += found["told"]
            self.failed.append(f"{path}: {found['told']} were told of a profile that nobody asked for")
        for took_us, count in found["times_us"]:
            self.plain_us[took_us] = self.plain_us.get(took_us, 0) + count


def load(port: int, tokens: dict[str, str], body: str, clients: int, profiled: int, seconds: int, settle_s: int = 0, cpu: int | None = None) -> Seen:
    """CLIENTS keep a connection each and ask again as soon as they are answered, as many for each path in TOKENS; PROFILED of them have its token. All run
    on CPU, if it is given. Their times are those of the requests after SETTLE_S; all else is of the whole SECONDS.

    Each answer has to be 200, to begin with its path and BODY, and to end with "?" and what was asked behind that.
    """
    running = []
    for path, token in tokens.items():
        for asked, count in ((False, (clients - profiled) // len(tokens)), (True, profiled // len(tokens))):
            if count:
                header = [f"X-Pyrometer-Token: {token}"] if asked else []
                command = ["wrk", "-t1", f"-c{count}", f"-d{seconds}", "--timeout", f"{TIMEOUT_S}s", "-s", SCRIPT, f"http://127.0.0.1:{port}{path}"]
                command += ["--", f"{path}{body}", str(settle_s), *header]
                if cpu is not None:
                    command = ["taskset", "-c", str(cpu), *command]
                running.append((path, asked, subprocess.Popen(command, stdout=subprocess.PIPE, text=True)))
    seen = Seen()
    for path, asked, process in running:
        said, _ = process.communicate(timeout=seconds + 2 * TIMEOUT_S)
        seen.add(path, asked, json.loads(said.rpartition("\nWRK ")[2]))
    return seen

