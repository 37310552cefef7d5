/* tests/unit/analyze_compare.c - verdicts by simulation: what is claimed of them is counted here,
 * with a fixed seed.
 *
 * A simulated machine gives the time of one process after another; commands are measured on it in
 * pairs, in random order, and by the rule of when to stop that `bench` uses, with its default
 * budget of pairs. */
#include "analyze/compare.h"
#include "base/random.h"
#include "check.h"

#include <math.h>

#define PAIRS_MAX 200 /* `bench --pairs` by default */
#define PRECISION 0.005

static const struct pyro_compare_options options = {
    .confidence = PYRO_COMPARE_CONFIDENCE,
    .margin = PYRO_COMPARE_MARGIN,
};

/* -- machines --------------------------------------------------------------------------------- */

struct machine {
    uint64_t random;
    double walk;
    unsigned processes; /* that have run */
};

static double normal(uint64_t *random)
{
    double radius = sqrt(-2 * log1p(-pyro_random_unit(random)));
    return radius * cos(2 * M_PI * pyro_random_unit(random));
}

static double gaussian(struct machine *machine)
{
    return 0.01 * normal(&machine->random);
}

/* Student's t with 3 degrees of freedom, and one process in twenty held up by 10 % or more. */
static double heavy_tailed(struct machine *machine)
{
    double a = normal(&machine->random), b = normal(&machine->random), c = normal(&machine->random);
    double t = normal(&machine->random) / sqrt((a * a + b * b + c * c) / 3);
    bool held_up = pyro_random_unit(&machine->random) < 0.05;
    return 0.007 * t + (held_up ? -0.1 * log1p(-pyro_random_unit(&machine->random)) : 0);
}

/* Where its memory happens to lie decides the speed of a process: four levels. */
static double process_effects(struct machine *machine)
{
    return 0.01 * (double)pyro_random_below(&machine->random, 4) + 0.003 * normal(&machine->random);
}

/* Slower from one process to the next, in steps of their own, and the second of a pair is slower
 * than the first. */
static double drifting(struct machine *machine)
{
    machine->walk += 0.002 * normal(&machine->random) + 0.0005;
    return machine->walk + 0.003 * (machine->processes % 2) + 0.007 * normal(&machine->random);
}

static double bimodal(struct machine *machine)
{
    bool slow = pyro_random_unit(&machine->random) < 0.3;
    return (slow ? 0.03 : 0) + 0.005 * normal(&machine->random);
}

typedef double noise_function(struct machine *machine);

static double process_seconds(struct machine *machine, noise_function *noise, double true_ratio)
{
    double seconds = 0.3 * true_ratio * exp(noise(machine));
    machine->processes++;
    return seconds;
}

/* -- a bench on such a machine ---------------------------------------------------------------- */

static struct pyro_comparison bench(struct machine *machine, noise_function *noise,
                                    double true_ratio)
{
    double before[PAIRS_MAX], after[PAIRS_MAX];
    struct pyro_comparison comparison = {0};
    for (size_t count = 0; count < PAIRS_MAX;) {
        bool before_first = pyro_random_below(&machine->random, 2);
        if (before_first)
            before[count] = process_seconds(machine, noise, 1);
        after[count] = process_seconds(machine, noise, true_ratio);
        if (!before_first)
            before[count] = process_seconds(machine, noise, 1);
        if (!pyro_compare_look(++count) && count < PAIRS_MAX)
            continue;
        CHECK_EQ(pyro_compare_pairs(before, after, count, &options, &comparison), 0);
        if (pyro_compare_enough(&comparison, options.margin, PRECISION))
            break;
    }
    return comparison;
}

struct tally {
    unsigned verdicts[4], kept, reverted;
    double pairs; /* on average */
};

static struct tally bench_many(noise_function *noise, double true_ratio, unsigned times)
{
    struct tally tally = {0};
    uint64_t seeds = pyro_random_seed(20261126);
    for (unsigned i = 0; i < times; i++) {
        struct machine machine = {.random = pyro_random_next(&seeds)};
        struct pyro_comparison comparison = bench(&machine, noise, true_ratio);
        tally.verdicts[comparison.verdict]++;
        tally.kept += comparison.keep == PYRO_KEEP;
        tally.reverted += comparison.keep == PYRO_REVERT;
        tally.pairs += (double)comparison.pairs / times;
    }
    printf("# true ratio %.2f: %u faster, %u slower, %u same, %u undecided of %u, %u kept, %.0f "
           "pairs\n",
           true_ratio, tally.verdicts[PYRO_VERDICT_FASTER], tally.verdicts[PYRO_VERDICT_SLOWER],
           tally.verdicts[PYRO_VERDICT_SAME], tally.verdicts[PYRO_VERDICT_UNDECIDED], times,
           tally.kept, tally.pairs);
    return tally;
}

#define TIMES 400 /* of each kind; decision 16 has the figures of 1,000 */

static void check_against_itself(noise_function *noise)
{
    struct tally tally = bench_many(noise, 1, TIMES);
    unsigned told_apart = tally.verdicts[PYRO_VERDICT_FASTER] + tally.verdicts[PYRO_VERDICT_SLOWER];
    CHECK(told_apart <= TIMES * 5 / 100);
    CHECK(tally.verdicts[PYRO_VERDICT_SAME] >= TIMES * 80 / 100);
    CHECK(tally.kept <= TIMES * 1 / 100);
}

static void same_with_gaussian_noise(void)
{
    check_against_itself(gaussian);
}

static void same_with_heavy_tails(void)
{
    check_against_itself(heavy_tailed);
}

static void same_with_process_effects(void)
{
    check_against_itself(process_effects);
}

static void same_with_drift(void)
{
    check_against_itself(drifting);
}

static void same_with_two_modes(void)
{
    check_against_itself(bimodal);
}

/* -- what is there is found ------------------------------------------------------------------- */

static void three_percent_are_detected(void)
{
    struct tally tally = bench_many(gaussian, 1.03, TIMES);
    CHECK(tally.verdicts[PYRO_VERDICT_SLOWER] >= TIMES * 95 / 100);
    CHECK_EQ(tally.verdicts[PYRO_VERDICT_FASTER], 0);
    CHECK(tally.reverted >= TIMES * 95 / 100);
    tally = bench_many(gaussian, 0.97, TIMES);
    CHECK(tally.verdicts[PYRO_VERDICT_FASTER] >= TIMES * 95 / 100);
}

static void six_percent_are_kept(void)
{
    noise_function *const all[] = {gaussian, heavy_tailed, process_effects, drifting, bimodal};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        CHECK(bench_many(all[i], 0.94, TIMES).kept >= TIMES * 95 / 100);
}

/* What the interval claims: it holds the true ratio. */
static void the_interval_holds_the_truth(void)
{
    static const size_t counts[] = {PYRO_COMPARE_PAIRS_MIN, 10, 20};
    uint64_t random = pyro_random_seed(7);
    for (size_t k = 0; k < 3; k++) {
        unsigned missed = 0;
        for (unsigned i = 0; i < 2000; i++) {
            double before[20], after[20];
            struct pyro_comparison comparison;
            for (size_t j = 0; j < counts[k]; j++) {
                before[j] = exp(0.01 * normal(&random));
                after[j] = 0.9 * exp(0.01 * normal(&random));
            }
            CHECK_EQ(pyro_compare_pairs(before, after, counts[k], &options, &comparison), 0);
            missed += comparison.ci_low > 0.9 || comparison.ci_high < 0.9;
        }
        printf("# %zu pairs: %u of 2000 intervals miss\n", counts[k], missed);
        CHECK(missed <= 2000 * 2 / 100);
    }
}

static void the_smallest_change_visible_is_seen(void)
{
    uint64_t random = pyro_random_seed(11);
    unsigned seen = 0;
    double before[20], after[20], smallest = 0;
    struct pyro_comparison comparison;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < 1000; i++) {
            for (size_t j = 0; j < 20; j++) {
                before[j] = exp(0.01 * normal(&random));
                after[j] = (1 + pass * smallest / 1000) * exp(0.01 * normal(&random));
            }
            CHECK_EQ(pyro_compare_pairs(before, after, 20, &options, &comparison), 0);
            if (pass)
                seen += comparison.ci_low > 1;
            else
                smallest += comparison.smallest_visible;
        }
    printf("# a change of %.2f %% is seen in %u of 1000\n", smallest / 10, seen);
    CHECK(seen >= 900);
}

/* -- rules ------------------------------------------------------------------------------------ */

static struct pyro_comparison compare_constant(double after, size_t count)
{
    double ones[20], values[20];
    struct pyro_comparison comparison;
    for (size_t i = 0; i < count; i++) {
        ones[i] = 1;
        values[i] = after;
    }
    CHECK_EQ(pyro_compare_pairs(ones, values, count, &options, &comparison), 0);
    return comparison;
}

static void verdicts_follow_the_margin(void)
{
    CHECK_EQ(compare_constant(1, 10).verdict, PYRO_VERDICT_SAME);
    CHECK_EQ(compare_constant(1, 10).keep, PYRO_REVERT);
    CHECK_EQ(compare_constant(0.995, 10).verdict, PYRO_VERDICT_SAME);
    CHECK_EQ(compare_constant(0.98, 10).verdict, PYRO_VERDICT_FASTER);
    CHECK_EQ(compare_constant(0.98, 10).keep, PYRO_KEEP);
    CHECK_EQ(compare_constant(1.02, 10).verdict, PYRO_VERDICT_SLOWER);
    CHECK_EQ(compare_constant(1.02, 10).keep, PYRO_REVERT);
}

static void few_pairs_give_no_verdict(void)
{
    CHECK_EQ(compare_constant(0.5, PYRO_COMPARE_PAIRS_MIN - 1).verdict, PYRO_VERDICT_UNDECIDED);
    CHECK_EQ(compare_constant(0.5, PYRO_COMPARE_PAIRS_MIN).verdict, PYRO_VERDICT_FASTER);
    CHECK(isnan(compare_constant(0.5, 1).ci_low));
    CHECK(fabs(compare_constant(0.5, 1).ratio - 0.5) < 1e-9);
}

/* Each side differs from itself by far more than the sides do from each other. */
static void nothing_below_the_noise_is_a_difference(void)
{
    double before[20], after[20];
    struct pyro_comparison comparison;
    for (size_t i = 0; i < 20; i++) {
        before[i] = i % 2 ? 1 : i % 4 ? 1.5 : 0.6;
        after[i] = before[i] * (i % 3 ? 1.02 : 1.021);
    }
    CHECK_EQ(pyro_compare_pairs(before, after, 20, &options, &comparison), 0);
    CHECK(comparison.ci_low > 1);
    CHECK(comparison.noise > 0.02);
    CHECK_EQ(comparison.verdict, PYRO_VERDICT_UNDECIDED);
    CHECK(comparison.smallest_visible >= comparison.noise);
}

static void apart_nothing_below_the_drift_is_believed(void)
{
    double before[20], after[20];
    struct pyro_comparison comparison;
    for (size_t i = 0; i < 20; i++)
        before[i] = 1;
    for (int percent = 80; percent <= 120; percent++) {
        for (size_t i = 0; i < 20; i++)
            after[i] = percent / 100.0;
        CHECK_EQ(pyro_compare_apart(before, 20, after, 20, 0.1, &options, &comparison), 0);
        enum pyro_verdict expected = percent <= 90   ? PYRO_VERDICT_FASTER
                                     : percent > 110 ? PYRO_VERDICT_SLOWER
                                                     : PYRO_VERDICT_UNDECIDED;
        if (percent != 110) /* on the edge, where rounding decides */
            CHECK_EQ(comparison.verdict, expected);
        CHECK(comparison.apart);
        CHECK(comparison.ci_low < percent / 109.0 && comparison.ci_high > percent / 100.0 * 1.09);
    }
}

static void values_must_be_positive(void)
{
    double good[2] = {1, 2}, bad[2] = {1, 0};
    struct pyro_comparison comparison;
    CHECK_EQ(pyro_compare_pairs(good, bad, 2, &options, &comparison), -EINVAL);
    bad[1] = NAN;
    CHECK_EQ(pyro_compare_pairs(bad, good, 2, &options, &comparison), -EINVAL);
    CHECK_EQ(pyro_compare_pairs(good, good, 0, &options, &comparison), -EINVAL);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(same_with_gaussian_noise), TEST(same_with_heavy_tails),
        TEST(same_with_process_effects), TEST(same_with_drift), TEST(same_with_two_modes),
        TEST(three_percent_are_detected), TEST(six_percent_are_kept),
        TEST(the_interval_holds_the_truth), TEST(the_smallest_change_visible_is_seen),
        TEST(verdicts_follow_the_margin), TEST(few_pairs_give_no_verdict),
        TEST(nothing_below_the_noise_is_a_difference),
        TEST(apart_nothing_below_the_drift_is_believed), TEST(values_must_be_positive));
}
