/* probe/slots.h - the imports of loaded objects, led to functions of ours, and back.
 *
 * An object calls a function of another one through a slot that the dynamic linker filled (or will, at the first call), and its
 * data may hold its address: relocations tell where. Patched are the slots of all objects that are there, but of the linker's, the kernel's
 * and our own: so our own calls are never led to us, and are what calls of others would be without us. What a program copied from
 * a slot stays as it is, also behind our back after a restore: hooks must go on to work then.
 *
 * Pages that are read-only after relocation are writable for a moment. All calls may be made by any thread, without any lock of the
 * caller's, and from within a constructor of an object that is being loaded. */
#ifndef PYRO_PROBE_SLOTS_H
#define PYRO_PROBE_SLOTS_H

#include <stddef.h>

struct pyro_import {
    const char *name;
    void *hook; /* what it is led to */
};

/* Lead the imports of all objects that are loaded completely to hooks; IMPORTS must stay. 0; -EBUSY: others are patched;
 * -ENOSYS: we do not call one of them ourselves, or -ENOMEM. */
int pyro_slots_patch(const struct pyro_import *imports, size_t count);
/* Those of objects that came since, too; nothing after a restore. */
void pyro_slots_patch_new(void);
/* Every slot that leads to a hook still is as it was. */
void pyro_slots_restore(void);

#endif
