/* cli/identity.c - effective ids are switched around single calls; the real and saved ones stay. */
#include "cli/identity.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUPS_MAX 256 /* of our own, to be put back */

static struct {
    bool entered;
    gid_t gid;
    gid_t groups[GROUPS_MAX];
    int group_count;
} before;

static bool id_from_environment(const char *name, unsigned *ret_id)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return false;
    char *end;
    errno = 0;
    unsigned long id = strtoul(text, &end, 10);
    if (errno || *end || id == 0 || id >= UINT_MAX)
        return false;
    *ret_id = (unsigned)id;
    return true;
}

bool pyro_identity_caller(struct pyro_identity *ret_caller)
{
    unsigned uid, gid;
    if (getuid() != 0 || !id_from_environment("SUDO_UID", &uid) ||
        !id_from_environment("SUDO_GID", &gid))
        return false;
    *ret_caller = (struct pyro_identity){.uid = uid, .gid = gid};
    return true;
}

const char *pyro_identity_home(void)
{
    struct pyro_identity caller;
    const struct passwd *entry = NULL;
    if (pyro_identity_caller(&caller))
        entry = getpwuid(caller.uid);
    if (entry && entry->pw_dir)
        return entry->pw_dir;
    const char *home = getenv("HOME");
    return home ? home : "";
}

void pyro_identity_enter(const struct pyro_identity *who)
{
    if (geteuid() != 0 || who->uid == 0 || before.entered)
        return;
    before.group_count = getgroups(GROUPS_MAX, before.groups);
    before.gid = getegid();
    if (before.group_count < 0)
        return;
    before.entered = true;
    /* Groups first: only root may change them. What fails leaves more rights than wanted, so that is
     * checked by going on only when all three succeeded. */
    if (setgroups(0, NULL) < 0 || setegid(who->gid) < 0 || seteuid(who->uid) < 0) {
        fprintf(stderr, "pyrometer: cannot act as user %u\n", (unsigned)who->uid);
        _exit(1);
    }
}

void pyro_identity_leave(void)
{
    if (!before.entered)
        return;
    if (seteuid(0) < 0 || setegid(before.gid) < 0 ||
        setgroups((size_t)before.group_count, before.groups) < 0) {
        fprintf(stderr, "pyrometer: cannot become root again\n");
        _exit(1);
    }
    before.entered = false;
}

void pyro_identity_enter_caller(void)
{
    struct pyro_identity caller;
    if (pyro_identity_caller(&caller))
        pyro_identity_enter(&caller);
}

int pyro_identity_become_caller(void)
{
    struct pyro_identity caller;
    if (!pyro_identity_caller(&caller))
        return 0;
    const struct passwd *entry = getpwuid(caller.uid);
    int error = entry ? initgroups(entry->pw_name, caller.gid) : setgroups(1, &caller.gid);
    if (error < 0 || setgid(caller.gid) < 0 || setuid(caller.uid) < 0)
        return -errno;
    if (entry) {
        setenv("HOME", entry->pw_dir, 1);
        setenv("USER", entry->pw_name, 1);
        setenv("LOGNAME", entry->pw_name, 1);
    }
    return 0;
}
