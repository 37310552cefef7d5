/* probe/gauge.c - the gauge's zero: what events took while their cost was measured. */
#include "probe/gauge.h"

#include <string.h>

void pyro_gauge_take(struct pyro_gauge_hand *hand, double ret_ticks[PYRO_GAUGES])
{
    memset(ret_ticks, 0, PYRO_GAUGES * sizeof(*ret_ticks));
    if (!hand->gauges)
        return;
    for (int kind = 0; kind < PYRO_GAUGES; kind++) {
        struct pyro_gauge *gauge = &hand->gauges[kind];
        if (gauge->count >= PYRO_GAUGE_MIN)
            ret_ticks[kind] = (double)gauge->ticks / (double)gauge->count;
        *gauge = (struct pyro_gauge){0};
    }
    hand->call_began = 0;
}
