/* probe/native.h - what C code allocates itself, by malloc and mmap and what is like them: `pyrometer run --memory`.
 *
 * The imports of all loaded objects are led to wrappers (probe/slots.h), those of objects that come later as soon as dlopen() has loaded
 * them. C++'s `new` is seen where its library calls malloc(). What lies within an allocator of Python's, or of another one that is itself
 * called by such an import, is counted once, by the outer one. Of mmap() only anonymous pages that may be written count: a file is no
 * allocation, and address space that is only reserved is no memory.
 *
 * Not seen: an allocator that is linked into an object and called from within (of that the pages it maps), and calls by addresses that
 * were asked for by dlsym(), or copied before. */
#ifndef PYRO_PROBE_NATIVE_H
#define PYRO_PROBE_NATIVE_H

/* The heap of probe/tracked.h is on. 0, or a negative errno: nothing is changed then. */
int pyro_native_start(void);
/* It is off. Imports are as they were; who has a wrapper's address still is passed through. */
void pyro_native_stop(void);

#endif
