/* tests/unit/analyze_interval.c - sampled allocations (base/sampling.h): sums are right on average, and intervals (analyze/interval.h)
 * have the truth in them as often as they say, for small blocks and large ones, many and few. The generator is seeded: each run is the
 * same. */
#include "analyze/interval.h"

#include "base/sampling.h"

#include "check.h"

#define PERIOD UINT64_C(4096)
#define RUNS   4000
#define KINDS  3 /* of blocks in one population */

/* COUNTS blocks of SIZES are allocated, of which each second one of the first kind is freed. */
struct population {
    const char *name;
    uint64_t sizes[KINDS];
    uint32_t counts[KINDS];
    bool varies; /* from run to run, by half of it: of one small count what is covered jumps */
};

/* What a run makes of it. */
struct outcome {
    struct pyro_estimated bytes, blocks;
};

static uint64_t random_state = 20261127;

static void see(struct pyro_sampling *sampling, uint64_t size, struct outcome *outcome)
{
    if (pyro_sampling_passes(sampling, size) ||
        !pyro_sampling_take(sampling, PERIOD, size, pyro_random_next(&random_state)))
        return;
    const bool up = pyro_sampling_rounds_up(&sampling->state, PERIOD, size);
    const struct pyro_weight weight = pyro_sampling_weight(PERIOD, size, up);
    const double unseen = (double)(weight.bytes - size);
    outcome->bytes.seen += (double)size;
    outcome->bytes.estimate += (double)weight.bytes;
    outcome->bytes.variance += (double)weight.bytes * unseen;
    outcome->blocks.seen += 1;
    outcome->blocks.estimate += (double)weight.blocks;
    outcome->blocks.variance += (double)weight.blocks * (double)(weight.blocks - 1);
}

/* Kinds come mixed, as a program would have it. */
static struct outcome run(const struct population *population)
{
    struct pyro_sampling sampling = {0};
    struct outcome outcome = {0};
    uint32_t most = 0;
    for (int kind = 0; kind < KINDS; kind++)
        most = population->counts[kind] > most ? population->counts[kind] : most;
    for (uint32_t i = 0; i < most; i++)
        for (int kind = 0; kind < KINDS; kind++)
            if (i < population->counts[kind])
                see(&sampling, population->sizes[kind], &outcome);
    return outcome;
}

static bool has(struct pyro_interval interval, double truth)
{
    return interval.low <= truth && truth <= interval.high;
}

struct coverage {
    double bytes, blocks;             /* shares of runs whose interval has the truth in it */
    double bytes_mean, blocks_mean;   /* estimates on average, as a share of the truth */
    double bytes_error, blocks_error; /* their standard errors */
};

static double bytes_of(const struct population *population)
{
    double bytes = 0;
    for (int kind = 0; kind < KINDS; kind++)
        bytes += (double)population->sizes[kind] * population->counts[kind];
    return bytes;
}

static double blocks_of(const struct population *population)
{
    double blocks = 0;
    for (int kind = 0; kind < KINDS; kind++)
        blocks += population->counts[kind];
    return blocks;
}

static struct coverage cover(const struct population *population)
{
    double in_bytes = 0, in_blocks = 0;
    double sum[2] = {0}, squares[2] = {0};
    for (int i = 0; i < RUNS; i++) {
        struct population this = *population;
        if (population->varies)
            this.counts[0] = this.counts[0] / 2 + pyro_random_below(&random_state, this.counts[0]);
        const double bytes = bytes_of(&this), blocks = blocks_of(&this);
        const struct outcome outcome = run(&this);
        const double shares[2] = {outcome.bytes.estimate / bytes, outcome.blocks.estimate / blocks};
        in_bytes += has(pyro_interval_bytes(&outcome.bytes, (double)PERIOD), bytes);
        in_blocks += has(pyro_interval_blocks(&outcome.blocks, &outcome.bytes), blocks);
        for (int k = 0; k < 2; k++) {
            sum[k] += shares[k];
            squares[k] += shares[k] * shares[k];
        }
    }
    struct coverage coverage = {.bytes = in_bytes / RUNS,
                                .blocks = in_blocks / RUNS,
                                .bytes_mean = sum[0] / RUNS,
                                .blocks_mean = sum[1] / RUNS};
    coverage.bytes_error =
        sqrt(fabs(squares[0] / RUNS - coverage.bytes_mean * coverage.bytes_mean) / RUNS);
    coverage.blocks_error =
        sqrt(fabs(squares[1] / RUNS - coverage.blocks_mean * coverage.blocks_mean) / RUNS);
    printf("# %-32s bytes %.3f (mean %.4f +- %.4f), blocks %.3f (mean %.4f +- %.4f)\n",
           population->name, coverage.bytes, coverage.bytes_mean, coverage.bytes_error,
           coverage.blocks, coverage.blocks_mean, coverage.blocks_error);
    return coverage;
}

static const struct population populations[] = {
    {.name = "400 samples of 64 bytes", .sizes = {64}, .counts = {25600}},
    {.name = "100 samples of 200 bytes", .sizes = {200}, .counts = {2048}},
    {.name = "30 samples of 64 bytes", .sizes = {64}, .counts = {1920}},
    {.name = "10 samples of 100 bytes", .sizes = {100}, .counts = {410}},
    {.name = "3 to 9 samples of 64 bytes", .sizes = {64}, .counts = {384}, .varies = true},
    {.name = "a quarter of the period", .sizes = {1024}, .counts = {400}},
    {.name = "as large as the period", .sizes = {4096}, .counts = {200}},
    {.name = "twice that", .sizes = {8192}, .counts = {300}},
    {.name = "small and large ones", .sizes = {64, 2000, 40000}, .counts = {8000, 200, 20}},
    {.name = "few of each", .sizes = {48, 700, 9000}, .counts = {600, 20, 8}},
    /* Hardly ever missed: an interval that has the truth in it less than always has to leave out a whole block. */
    {.name = "4 times the period", .sizes = {16384}, .counts = {100}},
    {.name = "6 times the period", .sizes = {24576}, .counts = {180}},
    {.name = "20 times the period", .sizes = {81920}, .counts = {10}},
};
#define POPULATIONS (sizeof(populations) / sizeof(populations[0]))
#define LARGE       (POPULATIONS - 3)

static void intervals_have_the_truth_in_them(void)
{
    for (size_t i = 0; i < POPULATIONS; i++) {
        const struct coverage coverage = cover(&populations[i]);
        CHECK(coverage.bytes >= 0.93 && (coverage.bytes <= 0.97 || i >= LARGE));
        CHECK(coverage.blocks >= 0.93);
    }
}

static void estimates_are_right_on_average(void)
{
    for (size_t i = 0; i < POPULATIONS; i++) {
        const struct coverage coverage = cover(&populations[i]);
        CHECK(fabs(coverage.bytes_mean - 1) <= 4.5 * coverage.bytes_error);
        CHECK(fabs(coverage.blocks_mean - 1) <= 4.5 * coverage.blocks_error);
    }
}

/* -- against sums of the Poisson distribution ---------------------------------------------------- */

/* The chance of less than COUNT events, and half that of COUNT, where MEAN are expected: mid-P. */
static double below(double count, double mean)
{
    double chance = exp(-mean), sum = 0;
    for (int k = 0; k < count; k++) {
        sum += chance;
        chance *= mean / (k + 1);
    }
    return sum + chance / 2;
}

/* The mean at which that chance is SHARE. */
static double mean_at(double count, double share)
{
    double low = 0, high = 1000;
    for (int i = 0; i < 100; i++) {
        const double middle = (low + high) / 2;
        if (below(count, middle) > share)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_near(double value, double wanted)
{
    return fabs(value - wanted) <= 1e-3 * wanted + 1e-6;
}

/* Blocks much smaller than the period: as many samples as a Poisson process has events, each of which stands for a period. */
static void of_small_blocks_it_is_that_of_a_poisson_count(void)
{
    static const double counts[] = {0, 1, 2, 3, 5, 10, 30, 100};
    const double period = 1e6;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const double n = counts[i];
        const struct pyro_estimated bytes = {0, n * period, n * period * period};
        const struct pyro_interval interval = pyro_interval_bytes(&bytes, period);
        printf("# %3.0f samples: %.4f to %.4f periods\n", n, interval.low / period,
               interval.high / period);
        CHECK(is_near(interval.low / period, mean_at(n, 0.975)));
        CHECK(is_near(interval.high / period, mean_at(n, 0.025)));
    }
}

/* And so do their blocks, of which each sample stands for MANY. Without a sample nobody knows of which size they would be. */
static void so_it_is_of_their_number(void)
{
    static const double counts[] = {1, 2, 3, 5, 10, 30, 100};
    const double many = 1e6;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const double n = counts[i];
        const struct pyro_estimated blocks = {n, n * many, n * many * (many - 1)};
        const struct pyro_estimated bytes = {n, n * many, n * many * many};
        const struct pyro_interval interval = pyro_interval_blocks(&blocks, &bytes);
        CHECK(is_near(interval.low / many, mean_at(n, 0.975)));
        CHECK(is_near(interval.high / many, mean_at(n, 0.025)));
    }
}

int main(void)
{
    return CHECK_MAIN(TEST(intervals_have_the_truth_in_them), TEST(estimates_are_right_on_average),
                      TEST(of_small_blocks_it_is_that_of_a_poisson_count),
                      TEST(so_it_is_of_their_number));
}
