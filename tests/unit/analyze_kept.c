/* tests/unit/analyze_kept.c - rules over what is alive over time, in profiles that are made by hand. */
#include "fixture_findings.h"

#define SECONDS 10
#define LOOKS   100
#define MIB     (1024.0 * 1024)

/* A loop in main() that calls handle() again and again, which calls keep(); keep() fills something. */
struct story {
    struct pyro_profile *profile;
    uint32_t module, main, handle, keep; /* frames */
    uint32_t container, contents;        /* stacks */
};

/* How much of what is kept at the end is there after PART of the time. */
typedef double (*over_time)(double part);

static double evenly(double part)
{
    return part;
}
static double at_once(double part)
{
    return part < 0.02 ? 0 : 1;
}
static double in_the_first_half(double part)
{
    return part < 0.5 ? 2 * part : 1;
}
static double in_eight_tenths(double part)
{
    return part < 0.8 ? part / 0.8 : 1;
}
static double in_the_last_tenth(double part)
{
    return part < 0.9 ? 0 : 10 * (part - 0.9);
}
static double until_shortly_before_the_end(double part)
{
    return part < 0.97 ? part : 0;
}
static double until_half(double part)
{
    return part < 0.5 ? part : 0;
}
static double up_and_down(double part)
{
    return part * (fmod(part, 0.2) < 0.1 ? 1 : 0.5);
}

/* The block of a list, or of a dict, that holds so much. */
static double of_a_list(double bytes)
{
    return bytes;
}
static double of_a_dict(double bytes)
{
    return bytes < 4096 ? bytes : exp2(ceil(log2(bytes)));
}
static double of_none(double bytes)
{
    return bytes < 512 ? bytes : 512;
}

static void add_memory(struct pyro_profile *profile, uint32_t stack, double bytes, double held)
{
    FIXTURE_GROW(profile->memory, profile->memory_count);
    profile->memory[profile->memory_count++] =
        (struct pyro_stack_memory){.stack = stack,
                                   .allocated = (uint64_t)(bytes > held ? bytes : held),
                                   .freed = (uint64_t)(bytes > held ? 0 : held - bytes),
                                   .allocations = 1000,
                                   .held = (uint64_t)held};
    profile->heaps[0].peak += (uint64_t)held;
}

/* BYTES at the end, or just before they are given back. */
static void add_growth(struct story *story, uint32_t stack, double bytes, over_time grows,
                       double (*block_of)(double bytes))
{
    struct pyro_profile *profile = story->profile;
    double largest = 0, block;
    for (int i = 1; i <= LOOKS; i++) {
        double live = bytes * grows((double)i / LOOKS);
        block = block_of(live);
        largest = block > largest ? block : largest;
        FIXTURE_GROW(profile->moments, profile->moment_count);
        profile->moments[profile->moment_count++] = (struct pyro_stack_moment){
            .stack = stack,
            .time_us = (uint64_t)i * SECONDS * 1000000 / LOOKS,
            .live = (uint64_t)(live > block ? live : block),
            .largest = (uint64_t)largest,
        };
    }
    add_memory(profile, stack, bytes * grows(1), bytes);
}

/* TIMES calls of handle(), seen as such. */
static struct story story_of(size_t times)
{
    struct story story = {.profile = fixture_profile()};
    struct pyro_profile *profile = story.profile;
    profile->heaps = calloc(profile->process_count, sizeof(*profile->heaps));
    CHECK(profile->heaps);
    profile->heaps[0] = (struct pyro_process_memory){.tracked = true};
    story.module = fixture_code(profile, "<module>", "/srv/shop/service.py", 1);
    story.main = fixture_code(profile, "main", "/srv/shop/service.py", 30);
    story.handle = fixture_code(profile, "handle", "/srv/shop/service.py", 20);
    story.keep = fixture_code(profile, "keep", "/srv/shop/service.py", 10);
    uint32_t loop = FIXTURE_PATH(profile, story.module, story.main);
    uint32_t call = FIXTURE_PATH(profile, story.module, story.main, story.handle);
    for (size_t i = 0; i < times; i++) {
        FIXTURE_ADD(profile, .stack = loop, .state = PYRO_STATE_RUNNING, .count = 5);
        FIXTURE_ADD(profile, .stack = call, .state = PYRO_STATE_RUNNING,
                    .count = SECONDS * 1000 / times - 5);
    }
    story.container = FIXTURE_PATH(profile, story.module, story.main, story.handle, story.keep);
    story.contents = call;
    return story;
}

static void add_source(struct story *story, uint32_t line, const char *text)
{
    struct pyro_profile *profile = story->profile;
    uint32_t file = profile->functions[profile->frames[story->keep].function].file;
    FIXTURE_GROW(profile->sources, profile->source_count);
    profile->sources[profile->source_count++] =
        (struct pyro_source_line){file, line, fixture_text(profile, text)};
}

static struct pyro_findings *ask(const struct story *story)
{
    struct pyro_findings *findings = NULL;
    CHECK_EQ(pyro_findings_make(story->profile, &findings, NULL), 0);
    return findings;
}

static void a_list_that_is_filled_by_calls_is_found(void)
{
    struct story story = story_of(50);
    add_growth(&story, story.container, 2 * MIB, evenly, of_a_list);
    add_growth(&story, story.contents, 30 * MIB, evenly, of_none);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    const struct pyro_finding *finding = &findings->items[0];
    CHECK_STR(finding->rule->name, "growth");
    CHECK_STR(finding->title, "32.0 MiB that only grow");
    CHECK_EQ(finding->function, story.profile->frames[story.keep].function);
    CHECK_EQ(finding->line, 11);
    CHECK_EQ(finding->confidence, PYRO_CONFIDENCE_LOW);
    CHECK(fixture_near(finding->gain_bytes, 0.95 * 32 * MIB) &&
          fixture_near(finding->gain_high_bytes, 32 * MIB));
    CHECK(fabs(finding->evidence[0].number - 8 * MIB) < 0.6 * MIB); /* after a quarter */
    CHECK(fixture_near(finding->evidence[4].number, 2 * MIB));      /* the list itself */
    CHECK_STR(finding->evidence[5].key, "called_again_at_least");
    CHECK_EQ(finding->evidence[5].number, 50);
    CHECK_EQ(finding->evidence[6].function, story.profile->frames[story.handle].function);
    CHECK(finding->doubt && finding->gain_s <= 0);
    fixture_end(story.profile, findings);
}

/* Of a container that is allocated anew and larger each time hardly any is one of the sample. */
static void a_sample_of_memory_is_not_judged(void)
{
    struct story story = story_of(50);
    add_growth(&story, story.container, 2 * MIB, evenly, of_a_list);
    add_growth(&story, story.contents, 30 * MIB, evenly, of_none);
    story.profile->heaps[0].period = 512 * 1024;
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

static void a_dict_that_is_filled_by_calls_is_a_cache(void)
{
    struct story story = story_of(50);
    add_growth(&story, story.container, 3 * MIB, evenly, of_a_dict);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].rule->name, "unbounded-cache");
    CHECK_STR(findings->items[0].title, "cache without a bound: 4.0 MiB that only grow");
    fixture_end(story.profile, findings);
}

static void check(size_t times, over_time grows, double (*block_of)(double bytes), size_t count)
{
    struct story story = story_of(times);
    add_growth(&story, story.container, 4 * MIB, grows, block_of);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, count);
    fixture_end(story.profile, findings);
}

static void what_is_built_once_is_left_alone(void)
{
    check(50, evenly, of_a_list, 1);
    check(1, evenly, of_a_list, 0); /* by one call */
    check(3, evenly, of_a_list, 0);
    check(4, evenly, of_a_list, 1);
    check(50, at_once, of_a_list, 0);
    check(50, in_the_first_half, of_a_list, 0);
    check(50, in_eight_tenths, of_a_list, 0);
    check(50, in_the_last_tenth, of_a_list, 0);
    check(50, up_and_down, of_a_list, 0);
    check(50, evenly, of_none, 0); /* no container */
}

static void what_main_gives_back_as_it_ends_was_kept(void)
{
    check(50, until_shortly_before_the_end, of_a_list, 1);
    check(50, until_half, of_a_list, 0);
}

static void little_is_not_told(void)
{
    struct story story = story_of(50);
    add_growth(&story, story.container, 1.1 * MIB, evenly, of_a_list);
    add_memory(story.profile, story.contents, 30 * MIB, 30 * MIB);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0); /* under 5 % of the peak */
    fixture_end(story.profile, findings);
}

static void modules_and_generators_are_not_called_again(void)
{
    struct story story = story_of(50);
    add_growth(&story, FIXTURE_PATH(story.profile, story.module), 2 * MIB, evenly, of_a_list);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
    story = story_of(50);
    add_source(&story, 21, "        yield row"); /* in handle() */
    add_growth(&story, story.container, 2 * MIB, evenly, of_a_list);
    findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

/* main() recurses into handle(), which it never leaves. */
static void recursion_is_no_new_call(void)
{
    struct story story = story_of(1);
    struct pyro_profile *profile = story.profile;
    uint32_t once = FIXTURE_PATH(profile, story.module, story.main, story.handle);
    uint32_t deep = fixture_stack(profile, once, story.handle);
    for (size_t i = 0; i < 200; i++) {
        FIXTURE_ADD(profile, .stack = once, .state = PYRO_STATE_RUNNING, .count = 5);
        FIXTURE_ADD(profile, .stack = deep, .state = PYRO_STATE_RUNNING, .count = 5);
    }
    add_growth(&story, deep, 2 * MIB, evenly, of_a_list);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 0);
    fixture_end(story.profile, findings);
}

static void check_cached(const char *decorator, size_t count)
{
    struct story story = story_of(50);
    struct pyro_profile *profile = story.profile;
    (void)FIXTURE_PATH(profile, story.module, story.main, story.handle, story.keep);
    add_source(&story, 10, decorator); /* of keep() */
    add_growth(&story, story.contents, 2 * MIB, evenly, of_a_dict);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, count);
    if (count) {
        CHECK_EQ(findings->items[0].line, 10);
        CHECK_EQ(findings->items[0].function, profile->frames[story.keep].function);
        CHECK_EQ(findings->items[0].confidence, PYRO_CONFIDENCE_MEDIUM);
        CHECK(!findings->items[0].doubt);
    }
    fixture_end(story.profile, findings);
}

static void a_decorator_says_whether_a_cache_has_a_bound(void)
{
    check_cached("@functools.lru_cache(maxsize=None)", 1);
    check_cached("@lru_cache(None)", 1);
    check_cached("    @cache", 1);
    check_cached("@functools.lru_cache(maxsize=100_000)", 0);
    check_cached("@lru_cache", 0);
}

/* keep() loads HELD bytes in its line, of a peak of ALL. */
static void check_read(const char *source, double held, double all, over_time grows, size_t count,
                       bool doubted)
{
    struct story story = story_of(1);
    add_source(&story, 11, source);
    add_growth(&story, story.container, held, grows, of_none);
    add_memory(story.profile, story.contents, all - held, all - held);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, count);
    if (count) {
        CHECK_STR(findings->items[0].rule->name, "whole-file");
        CHECK_EQ(findings->items[0].line, 11);
        CHECK(fixture_near(findings->items[0].gain_bytes, held));
        CHECK_EQ(findings->items[0].doubt != NULL, doubted);
    }
    fixture_end(story.profile, findings);
}

static void check_file(const char *source, double held, double all, over_time grows, size_t count)
{
    check_read(source, held, all, grows, count, false);
}

static void a_file_that_is_read_whole_is_found(void)
{
    check_file("data = json.load(f)", 20 * MIB, 30 * MIB, evenly, 1);
    check_file("rows = list(csv.DictReader(source))", 20 * MIB, 30 * MIB, evenly, 1);
    check_file("return f.readlines()", 20 * MIB, 30 * MIB, evenly, 1);
    check_file("rows = [json.loads(line) for line in f]", 20 * MIB, 30 * MIB, evenly, 1);
    check_file("rows = [json.loads(row) for row in table]", 20 * MIB, 30 * MIB, evenly, 0);
    check_file("return sum(len(line) for line in f)", 20 * MIB, 30 * MIB, evenly, 0);
    check_file("data = f.read(65536)", 20 * MIB, 30 * MIB, evenly, 0);
    check_file("data = json.load(f)", 3 * MIB, 4 * MIB, evenly, 0);
    check_file("data = json.load(f)", 5 * MIB, 40 * MIB, evenly, 0);
}

/* keep() loads by LOAD, handle() has the call in CALL, and LATER is a line of handle()'s behind that. */
static void check_ordered(const char *load, const char *call, const char *later, size_t count)
{
    struct story story = story_of(1);
    const uint32_t handle = story.profile->frames[story.handle].function;
    (void)fixture_frame(story.profile, handle, 23);
    add_source(&story, 11, load);
    add_source(&story, 21, call);
    add_source(&story, 23, later);
    add_growth(&story, story.container, 20 * MIB, evenly, of_none);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, count);
    fixture_end(story.profile, findings);
}

static void what_is_put_in_order_is_needed(void)
{
    check_ordered("return json.load(f)", "rows = load(path)", "rows.sort(key=age)", 0);
    check_ordered("return json.load(f)", "self.rows = load(path)",
                  "for row in sorted(self.rows):", 0);
    check_ordered("return json.load(f)", "rows = load(path)", "random.shuffle(rows)", 0);
    check_ordered("rows = sorted(json.load(f))", "x()", "y()", 0);
    check_ordered("return json.load(f)", "rows = load(path)", "for row in rows:", 1);
    check_ordered("return json.load(f)", "rows = load(path)", "for row in sorted(rows_of(x)):", 1);
    check_ordered("return json.load(f)", "rows = load(path)", "other.rows.sort()", 1);
    check_ordered("data = json.load(f)", "rows = load(path)", "rows.sort()",
                  1); /* of something else */
    check_ordered("return json.load(f)", "print(len(load(path)))", "rows.sort()", 1);
    check_ordered("return json.load(f)", "", "rows.sort()", 1);
}

static void a_file_that_stays_is_an_index(void)
{
    check_file("data = json.load(f)", 20 * MIB, 30 * MIB, at_once, 0);
    check_file("data = json.load(f)", 20 * MIB, 30 * MIB, in_the_first_half, 1);
    check_read("text = f.read()", 20 * MIB, 30 * MIB, at_once, 1, true);
}

/* As long as it ran, it then took to take itself down. */
static void what_comes_after_the_stop_does_not_count(void)
{
    for (size_t stops = 0; stops <= 1; stops++) {
        struct story story = story_of(50);
        struct pyro_profile *profile = story.profile;
        add_growth(&story, story.container, 4 * MIB, in_the_first_half, of_a_list);
        if (stops) {
            FIXTURE_GROW(profile->moments, profile->moment_count);
            profile->moments[profile->moment_count++] =
                (struct pyro_stack_moment){.time_us = SECONDS * 500000, .live = 1};
        }
        struct pyro_findings *findings = ask(&story);
        CHECK_EQ(findings->count, stops);
        fixture_end(story.profile, findings);
    }
}

/* More containers than are compared with one another: the largest is among these, wherever it stands. */
static void of_many_containers_the_largest_is_found(void)
{
    struct story story = story_of(50);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t other = fixture_code(story.profile, "other", "/srv/shop/other.py", 10 + i);
        uint32_t stack = FIXTURE_PATH(story.profile, story.module, story.main, story.handle, other);
        add_growth(&story, stack, 0.01 * MIB, evenly, of_a_list);
    }
    add_growth(&story, story.container, 8 * MIB, evenly, of_a_list);
    struct pyro_findings *findings = ask(&story);
    CHECK_EQ(findings->count, 1);
    CHECK_STR(findings->items[0].title, "8.4 MiB that only grow"); /* with the smallest ones */
    CHECK_EQ(findings->items[0].function, story.profile->frames[story.keep].function);
    fixture_end(story.profile, findings);
}

/* Times and files of hostile recordings are taken as they are. */
static void nonsense_is_harmless(void)
{
    struct story story = story_of(4);
    add_growth(&story, story.container, 2 * MIB, evenly, of_a_list);
    for (size_t i = 0; i < story.profile->moment_count; i++)
        story.profile->moments[i].time_us = i % 3 ? UINT64_C(1) << 56 : 0;
    struct pyro_findings *findings = ask(&story);
    fixture_end(story.profile, findings);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(a_list_that_is_filled_by_calls_is_found), TEST(a_sample_of_memory_is_not_judged),
        TEST(a_dict_that_is_filled_by_calls_is_a_cache), TEST(what_is_built_once_is_left_alone),
        TEST(what_main_gives_back_as_it_ends_was_kept), TEST(little_is_not_told),
        TEST(modules_and_generators_are_not_called_again), TEST(recursion_is_no_new_call),
        TEST(a_decorator_says_whether_a_cache_has_a_bound),
        TEST(a_file_that_is_read_whole_is_found), TEST(a_file_that_stays_is_an_index),
        TEST(what_is_put_in_order_is_needed), TEST(what_comes_after_the_stop_does_not_count),
        TEST(of_many_containers_the_largest_is_found), TEST(nonsense_is_harmless));
}
