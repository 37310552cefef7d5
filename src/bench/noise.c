/* bench/noise.c - what could disturb a measurement, as far as /proc and /sys show it. What they do
 * not show stays 0. */
#include "bench/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The start of a small file as text; "" when it cannot be read. */
static const char *read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

static uint64_t counter(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

void pyro_machine_look(struct pyro_machine_look *ret_look)
{
    static char text[65536]; /* of /proc/vmstat and the first line of /proc/stat */
    /* proc(5): user nice system idle iowait irq softirq steal */
    uint64_t ticks[8] = {0};
    double per_second = (double)sysconf(_SC_CLK_TCK);
    *ret_look = (struct pyro_machine_look){.at_ns = pyro_clock_ns()};
    read_text("/proc/stat", text, sizeof(text));
    int found = sscanf(text,
                       "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                       " %" SCNu64 " %" SCNu64,
                       &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
                       &ticks[7]);
    if (found == 8) {
        uint64_t busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6];
        ret_look->busy_s = (double)busy / per_second;
        ret_look->steal_s = (double)ticks[7] / per_second;
    }
    read_text("/proc/vmstat", text, sizeof(text));
    ret_look->pages_swapped = counter(text, "\npswpin ") + counter(text, "\npswpout ");
}

void pyro_noise_begin(struct pyro_bench_noise *noise)
{
    char text[64];
    *noise = (struct pyro_bench_noise){0};
    noise->load_before = strtod(read_text("/proc/loadavg", text, sizeof(text)), NULL);
    read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", noise->governor,
              sizeof(noise->governor));
    noise->governor[strcspn(noise->governor, "\n")] = '\0';
}

void pyro_noise_frequency(struct pyro_bench_noise *noise)
{
    char path[96], text[32];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    for (long cpu = 0; cpu < cpus; cpu++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/cpufreq/scaling_cur_freq",
                 cpu);
        double frequency = strtod(read_text(path, text, sizeof(text)), NULL) / 1e6;
        if (frequency <= 0)
            return; /* a virtual machine shows none */
        if (noise->frequency_low == 0 || frequency < noise->frequency_low)
            noise->frequency_low = frequency;
        if (frequency > noise->frequency_high)
            noise->frequency_high = frequency;
    }
}

void pyro_noise_end(struct pyro_bench_noise *noise, const struct pyro_machine_look *first,
                    double own_cpu_s)
{
    struct pyro_machine_look last;
    pyro_machine_look(&last);
    double elapsed_s = (double)(last.at_ns - first->at_ns) / (double)PYRO_NS_PER_S;
    double busy_s = last.busy_s - first->busy_s, steal_s = last.steal_s - first->steal_s;
    if (elapsed_s > 0 && busy_s > own_cpu_s)
        noise->others_cpus = (busy_s - own_cpu_s) / elapsed_s;
    if (busy_s + steal_s > 0 && steal_s > 0)
        noise->steal_share = steal_s / (busy_s + steal_s);
    noise->pages_swapped = last.pages_swapped - first->pages_swapped;
}
