/* base/edit_distance.h - how much two words differ, for suggestions. */
#ifndef PYRO_BASE_EDIT_DISTANCE_H
#define PYRO_BASE_EDIT_DISTANCE_H

#define PYRO_EDIT_DISTANCE_MAX 64 /* longer words are as far from all others */

/* How many letters must be changed, added, dropped or swapped. */
unsigned pyro_edit_distance(const char *a, const char *b);

#endif
