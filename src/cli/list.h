/* cli/list.h - which Python processes there are, for who has not named one. */
#ifndef PYRO_CLI_LIST_H
#define PYRO_CLI_LIST_H

#include <stdio.h>

/* A row for each: pid, CPU, RSS, version, command. Takes a tenth of a second, to measure CPU. Returns their count or
 * negative errno. */
int pyro_list_print(FILE *out);

#endif
