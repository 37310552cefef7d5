/* floor.c - what this machine takes for the things no sampler can do without.
 *
 *   floor WAKE_UPS      prints one JSON object: microseconds of CPU time for a sleep of 1 ms and the waking from it,
 *                       for a system call that does nothing, and for a process_vm_readv of 4 KiB.
 *
 * Measured by the kernel's own count of this process' time, as the samplers are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CALLS      20000
#define READ_BYTES 4096
#define PERIOD_NS  1000000
#define NS_PER_S   1000000000L

static char from[READ_BYTES], to[READ_BYTES];

static double cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void sleep_until_next(struct timespec *next)
{
    next->tv_nsec += PERIOD_NS;
    if (next->tv_nsec >= NS_PER_S) {
        next->tv_nsec -= NS_PER_S;
        next->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static double wake_up_us(long count)
{
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    double begin = cpu_us();
    for (long i = 0; i < count; i++)
        sleep_until_next(&next);
    return (cpu_us() - begin) / (double)count;
}

static double null_call_us(void)
{
    double begin = cpu_us();
    for (int i = 0; i < CALLS; i++)
        getppid();
    return (cpu_us() - begin) / CALLS;
}

static double read_us(void)
{
    struct iovec local = {.iov_base = to, .iov_len = READ_BYTES};
    struct iovec remote = {.iov_base = from, .iov_len = READ_BYTES};
    memset(from, 1, sizeof(from));
    double begin = cpu_us();
    for (int i = 0; i < CALLS; i++)
        if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != READ_BYTES)
            exit(1);
    return (cpu_us() - begin) / CALLS;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    if (count <= 0) {
        fprintf(stderr, "usage: floor WAKE_UPS\n");
        return 2;
    }
    double wake = wake_up_us(count), call = null_call_us(), read = read_us();
    printf("{\"wake_up_us\": %.3f, \"null_call_us\": %.3f, \"read_4k_us\": %.3f}\n", wake, call,
           read);
    return 0;
}
