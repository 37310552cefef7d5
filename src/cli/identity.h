/* cli/identity.h - on whose behalf we work.
 *
 * Under sudo this program is root, but the user who typed the command owns what it writes, and the
 * program it runs is the user's. And where root looks into somebody else's process, that process must
 * not make us read files it could not read itself. */
#ifndef PYRO_CLI_IDENTITY_H
#define PYRO_CLI_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

struct pyro_identity {
    uid_t uid;
    gid_t gid;
};

/* Who called sudo, from SUDO_UID and SUDO_GID. False: no sudo, we are who we seem to be. */
bool pyro_identity_caller(struct pyro_identity *ret_caller);
/* The caller's home folder under sudo, else $HOME; "" when unknown. */
const char *pyro_identity_home(void);

/* Act as WHO on files until _leave. Does nothing unless we are root. Not nested. */
void pyro_identity_enter(const struct pyro_identity *who);
void pyro_identity_leave(void);

/* The same for the caller of sudo, where there is one. */
void pyro_identity_enter_caller(void);

/* In a child before exec: become the caller of sudo for good, where there is one. 0 or negative errno. */
int pyro_identity_become_caller(void);

#endif
