/* report/confinement.c - swap, the control group and the pressure on memory: one line. */
#include "profile/profile.h"
#include "profile/summary.h"
#include "report/internal.h"

#include <inttypes.h>

#define CELL_BYTES   32
#define TEXT_BYTES   4096
#define PATH_COLUMNS 40

static void print_times(FILE *out, uint64_t count, const char *what)
{
    fprintf(out, ", %s %" PRIu64 " time%s", what, count, count == 1 ? "" : "s");
}

static void print_cgroup(FILE *out, const struct pyro_profile *profile,
                         const struct pyro_report_style *style)
{
    const struct pyro_confinement *confinement = &profile->confinement;
    char path[TEXT_BYTES], limit[CELL_BYTES];
    if (!confinement->limit && !confinement->reached && !confinement->oom && !confinement->kills) {
        fprintf(out, "; no limit on memory");
        return;
    }
    pyro_report_fit(path, sizeof(path), pyro_profile_text(profile, confinement->cgroup),
                    PATH_COLUMNS, style->utf8);
    pyro_summary_size(limit, sizeof(limit), confinement->limit);
    fprintf(out, "; control group %s: %s%s", path, confinement->limit ? "limit " : "no limit",
            confinement->limit ? limit : "");
    if (confinement->has_reached && confinement->reached)
        print_times(out, confinement->reached, "reached");
    if (confinement->has_oom && confinement->oom)
        print_times(out, confinement->oom, "out of memory");
    if (confinement->has_kills && confinement->kills)
        fprintf(out, ", %" PRIu64 " killed for it", confinement->kills);
}

static void print_pressure(FILE *out, const struct pyro_confinement *confinement)
{
    char some[CELL_BYTES], full[CELL_BYTES];
    const char *whose = confinement->of_machine ? " on this machine" : "";
    if (!confinement->has_pressure)
        return;
    if (!confinement->some_us && !confinement->full_us) {
        fprintf(out, "; nothing%s waited for it", whose);
        return;
    }
    pyro_summary_duration(some, sizeof(some), (double)confinement->some_us / 1e6);
    pyro_summary_duration(full, sizeof(full), (double)confinement->full_us / 1e6);
    fprintf(out, "; waited for memory%s: some %s, all %s", whose, some, full);
}

void pyro_report_confinement(FILE *out, const struct pyro_profile *profile, uint64_t swapped,
                             const struct pyro_report_style *style)
{
    char size[CELL_BYTES];
    if (!profile->confinement.asked)
        return;
    pyro_summary_size(size, sizeof(size), swapped);
    fprintf(out, "swapped out: %s%s", swapped ? size : "nothing", swapped ? " at most" : "");
    print_cgroup(out, profile, style);
    print_pressure(out, &profile->confinement);
    fputc('\n', out);
}

static void json_count(struct pyro_json *json, const char *key, bool known, uint64_t count)
{
    if (known)
        pyro_json_u64(json, key, count);
    else
        pyro_json_null(json, key);
}

static void json_time(struct pyro_json *json, const char *key, bool known, uint64_t us)
{
    if (known)
        pyro_json_us_as_s(json, key, us);
    else
        pyro_json_null(json, key);
}

void pyro_report_confinement_member(struct pyro_json *json, const struct pyro_profile *profile,
                                    uint64_t swapped)
{
    const struct pyro_confinement *confinement = &profile->confinement;
    const char *path = pyro_profile_text(profile, confinement->cgroup);
    if (!confinement->asked)
        return;
    pyro_json_line(json);
    pyro_json_object(json, "confinement");
    pyro_json_u64(json, "swapped_peak_bytes", swapped);
    pyro_json_string(json, "cgroup", *path ? path : NULL);
    json_count(json, "limit_bytes", confinement->limit != 0, confinement->limit);
    json_count(json, "limit_reached", confinement->has_reached, confinement->reached);
    json_count(json, "oom", confinement->has_oom, confinement->oom);
    json_count(json, "oom_kills", confinement->has_kills, confinement->kills);
    json_time(json, "pressure_some_s", confinement->has_pressure, confinement->some_us);
    json_time(json, "pressure_full_s", confinement->has_pressure, confinement->full_us);
    pyro_json_string(json, "pressure_of",
                     !confinement->has_pressure ? NULL
                     : confinement->of_machine  ? "machine"
                                                : "cgroup");
    pyro_json_end(json);
}
