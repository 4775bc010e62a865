"""Workflows like those that scientists have recorded (wfcommons.org): their shapes, and durations of
the same spread.  And what a scheduler without any overhead would make of them.
"""
import heapq
import random


class Workflow:
    """Steps in an order in which each comes after all that it waits for."""

    def __init__(self, name):
        self.name = name
        self.steps = []    # (what it is, numbers of those that it waits for)

    def step(self, kind, *before):
        self.steps.append((kind, sorted(set(before))))
        return len(self.steps) - 1

    def durations(self, total, seed=1):
        """Seconds of each step, of one kind alike, that are about so many together; whole milliseconds, as pg_sleep()
        sleeps."""
        chance = random.Random(seed)
        typical = {kind: chance.lognormvariate(0, 1) for kind in dict.fromkeys(kind for kind, _ in self.steps)}
        raw = [typical[kind] * chance.lognormvariate(0, 0.3) for kind, _ in self.steps]
        return [max(1, round(1000 * duration * total / sum(raw))) / 1000 for duration in raw]

    def activities(self, sql):
        """sql: of a step, by its number."""
        return [{"name": f"{kind}_{no}", "type": "sql", "sql": sql(no),
                 "depends_on": [f"{self.steps[other][0]}_{other}" for other in before]}
                for no, (kind, before) in enumerate(self.steps)]


def seismology(stations):
    flow = Workflow("seismology")
    found = [flow.step("deconvolve") for _ in range(stations)]
    flow.step("sift", *found)
    return flow


def blast(parts):
    flow = Workflow("blast")
    split = flow.step("split")
    hits = [flow.step("search", split) for _ in range(parts)]
    flow.step("cat_hits", *hits)
    flow.step("cat_errors", *hits)
    return flow


def epigenomics(lanes, pieces):
    flow = Workflow("epigenomics")
    merged = []
    for _ in range(lanes):
        split = flow.step("split")
        mapped = []
        for _ in range(pieces):
            before = split
            for kind in ("filter", "convert", "pack", "map"):
                before = flow.step(kind, before)
            mapped.append(before)
        merged.append(flow.step("merge", *mapped))
    flow.step("pileup", flow.step("index", flow.step("merge_all", *merged)))
    return flow


def genome(chromosomes, individuals, populations=7):
    flow = Workflow("1000genome")
    for _ in range(chromosomes):
        merged = flow.step("merge", *[flow.step("individuals") for _ in range(individuals)])
        sifted = flow.step("sift")
        for _ in range(populations):
            flow.step("overlap", merged, sifted)
            flow.step("frequency", merged, sifted)
    return flow


def montage(side):
    flow = Workflow("montage")
    project = [[flow.step("project") for _ in range(side)] for _ in range(side)]
    differences = []
    for y in range(side):
        for x in range(side):
            for dy, dx in ((0, 1), (1, 0), (1, 1)):
                if y + dy < side and x + dx < side:
                    differences.append(flow.step("difference", project[y][x], project[y + dy][x + dx]))
    model = flow.step("model", flow.step("fit", *differences))
    corrected = [flow.step("correct", model, one) for row in project for one in row]
    flow.step("view", flow.step("shrink", flow.step("add", flow.step("table", *corrected))))
    return flow


def search(runs):
    flow = Workflow("srasearch")
    index = flow.step("index")
    aligned = [flow.step("align", index, flow.step("dump", flow.step("fetch"))) for _ in range(runs)]
    flow.step("merge", *aligned)
    return flow


def workflows(size):
    """Of about so many steps each."""
    return [seismology(size - 1), blast(size - 3), epigenomics(max(1, size // 500), min(size, 500) // 4 - 1),
            genome(max(1, size // 90), 75), montage(round((size / 5) ** 0.5)), search(size // 3)]


def list_schedule(flow, durations, executors):
    """When the last step ends if the oldest that is ready always goes to the first executor that is free."""
    waits = [len(before) for _, before in flow.steps]
    after = [[] for _ in flow.steps]
    for no, (_, before) in enumerate(flow.steps):
        for other in before:
            after[other].append(no)
    ready = [no for no, count in enumerate(waits) if count == 0]
    heapq.heapify(ready)
    running = []
    now = 0.0
    while ready or running:
        while ready and len(running) < executors:
            no = heapq.heappop(ready)
            heapq.heappush(running, (now + durations[no], no))
        now, ended = heapq.heappop(running)
        for no in after[ended]:
            waits[no] -= 1
            if waits[no] == 0:
                heapq.heappush(ready, no)
    return now
