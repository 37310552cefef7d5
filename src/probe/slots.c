/* probe/slots.c - relocations of objects, as the dynamic linker left them (ELF, x86-64 and aarch64, glibc). */
#include "probe/slots.h"

#include "base/map.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SLOT_CALLED   R_X86_64_JUMP_SLOT
#define SLOT_IMPORTED R_X86_64_GLOB_DAT
#define SLOT_DATA     R_X86_64_64
#elif defined(__aarch64__)
#define SLOT_CALLED   R_AARCH64_JUMP_SLOT
#define SLOT_IMPORTED R_AARCH64_GLOB_DAT
#define SLOT_DATA     R_AARCH64_ABS64
#else
#error "relocations of this machine are not known"
#endif

#define OBJECTS_MAX  4096 /* those beyond are not patched */
#define IMPORTS_MAX  24
#define WRITABLE_MAX 8 /* what lies in the others of an object is not patched */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all that follows */
static const struct pyro_import *imports;                 /* NULL: nothing is patched */
static size_t import_count;
/* Where our own calls of each lead to, and what its name stands for: a stub in the program, where that is linked to a fixed address
 * and has the function's address itself. */
static const void *called[IMPORTS_MAX], *named[IMPORTS_MAX];
static struct pyro_map originals; /* address of a slot -> what stood there */

struct bases { /* of objects: the difference of their addresses to those in their file */
    uintptr_t items[OBJECTS_MAX];
    size_t count;
};
static struct bases patched;
static unsigned long long unloaded; /* objects, when we looked last */

static bool has(const struct bases *bases, uintptr_t base)
{
    for (size_t i = 0; i < bases->count; i++)
        if (bases->items[i] == base)
            return true;
    return false;
}

static void put(struct bases *bases, uintptr_t base)
{
    if (bases->count < OBJECTS_MAX && !has(bases, base))
        bases->items[bases->count++] = base;
}

/* -- an object ---------------------------------------------------------------------------------- */

struct table {
    const ElfW(Rela) * items;
    size_t count;
};

struct object {
    uintptr_t base, start, end; /* where it lies */
    struct part {
        uintptr_t start, end;
    } writable
        [WRITABLE_MAX]; /* of these those that the program may write to. What is relocated elsewhere is code */
    size_t writable_count;
    uintptr_t sealed, sealed_end; /* pages that are read-only since they were relocated */
    const ElfW(Sym) * symbols;
    const char *strings;
    struct table tables[2];
};

static bool is_library_of_system(const struct dl_phdr_info *info)
{
    return info->dlpi_addr == getauxval(AT_BASE) || info->dlpi_addr == getauxval(AT_SYSINFO_EHDR);
}

/* The linker writes addresses in place of some, not all, of the offsets that a file has. */
static const void *address_of(const struct object *object, uintptr_t value)
{
    return (const void *)(value >= object->base ? value : object->base + value);
}

static bool read_dynamic(struct object *object, const ElfW(Dyn) * entry)
{
    size_t sizes[2] = {0}, kind = DT_RELA;
    for (; entry->d_tag != DT_NULL; entry++) {
        const void *address = address_of(object, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB:
            object->symbols = address;
            break;
        case DT_STRTAB:
            object->strings = address;
            break;
        case DT_RELA:
            object->tables[0].items = address;
            break;
        case DT_RELASZ:
            sizes[0] = entry->d_un.d_val;
            break;
        case DT_JMPREL:
            object->tables[1].items = address;
            break;
        case DT_PLTRELSZ:
            sizes[1] = entry->d_un.d_val;
            break;
        case DT_PLTREL:
            kind = entry->d_un.d_val;
            break;
        }
    }
    for (int i = 0; i < 2; i++)
        object->tables[i].count = object->tables[i].items ? sizes[i] / sizeof(ElfW(Rela)) : 0;
    return object->symbols && object->strings && kind == DT_RELA;
}

static bool read_object(const struct dl_phdr_info *info, struct object *object)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const ElfW(Dyn) *dynamic = NULL;
    *object = (struct object){.base = info->dlpi_addr, .start = UINTPTR_MAX};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = object->base + part->p_vaddr, end = at + part->p_memsz;
        if (part->p_type == PT_DYNAMIC)
            dynamic = (const void *)at;
        if (part->p_type == PT_GNU_RELRO) { /* rounded as elf/dl-reloc.c of glibc does it */
            object->sealed = at & ~(page - 1);
            object->sealed_end = end & ~(page - 1);
        }
        if (part->p_type != PT_LOAD)
            continue;
        object->start = at < object->start ? at : object->start;
        object->end = end > object->end ? end : object->end;
        if (part->p_flags & PF_W && object->writable_count < WRITABLE_MAX)
            object->writable[object->writable_count++] = (struct part){at, end};
    }
    return dynamic && read_dynamic(object, dynamic);
}

static bool lies_in(const struct object *object, const void *address)
{
    return (uintptr_t)address >= object->start && (uintptr_t)address < object->end;
}

static bool can_be_written(const struct object *object, const void *address)
{
    for (size_t i = 0; i < object->writable_count; i++)
        if ((uintptr_t)address >= object->writable[i].start &&
            (uintptr_t)address < object->writable[i].end)
            return true;
    return false;
}

/* -- a slot ------------------------------------------------------------------------------------- */

struct slot {
    void **address;
    bool is_called; /* else its address is asked for */
    size_t import;
    bool undefined; /* the object does not have the function itself */
};

static bool find_import(const char *name, size_t *ret_import)
{
    for (size_t i = 0; i < import_count; i++)
        if (strcmp(name, imports[i].name) == 0) {
            *ret_import = i;
            return true;
        }
    return false;
}

static bool read_slot(const struct object *object, const ElfW(Rela) * relocation, struct slot *slot)
{
    const uint64_t kind = ELF64_R_TYPE(relocation->r_info);
    const uint64_t index = ELF64_R_SYM(relocation->r_info);
    if ((kind != SLOT_CALLED && kind != SLOT_IMPORTED && kind != SLOT_DATA) || !index ||
        (kind == SLOT_DATA && relocation->r_addend))
        return false;
    const ElfW(Sym) *symbol = &object->symbols[index];
    slot->address = (void **)(object->base + relocation->r_offset);
    slot->is_called = kind == SLOT_CALLED;
    slot->undefined = symbol->st_shndx == SHN_UNDEF;
    return can_be_written(object, slot->address) &&
           find_import(object->strings + symbol->st_name, &slot->import);
}

/* Read-only pages of an object, opened when the first of its slots needs it. */
static bool open_page(const struct object *object, const void *address, bool *opened)
{
    bool sealed = (uintptr_t)address >= object->sealed && (uintptr_t)address < object->sealed_end;
    if (sealed && !*opened)
        *opened = mprotect((void *)object->sealed, object->sealed_end - object->sealed,
                           PROT_READ | PROT_WRITE) == 0;
    return !sealed || *opened;
}

static void close_pages(const struct object *object, bool opened)
{
    if (opened)
        (void)mprotect((void *)object->sealed, object->sealed_end - object->sealed, PROT_READ);
}

static void visit_slots(const struct object *object,
                        void (*visit)(const struct object *object, const struct slot *slot,
                                      bool *opened))
{
    struct slot slot;
    bool opened = false;
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < object->tables[t].count; i++)
            if (read_slot(object, &object->tables[t].items[i], &slot))
                visit(object, &slot, &opened);
    close_pages(object, opened);
}

/* -- there -------------------------------------------------------------------------------------- */

static uintptr_t program_start, program_end;

/* Does SLOT hold what the linker put there? Else it is another tool's, or was not relocated yet. */
static bool is_original(const struct object *object, const struct slot *slot)
{
    const void *value = *slot->address;
    if (value == called[slot->import] || value == named[slot->import])
        return value != NULL;
    return slot->undefined && (lies_in(object, value) || ((uintptr_t)value >= program_start &&
                                                          (uintptr_t)value < program_end));
}

static void patch_slot(const struct object *object, const struct slot *slot, bool *opened)
{
    if (*slot->address == imports[slot->import].hook || !is_original(object, slot))
        return;
    uint64_t *original = pyro_map_insert(&originals, (uintptr_t)slot->address, 0, NULL);
    if (!original || !open_page(object, slot->address, opened))
        return;
    *original = (uintptr_t)*slot->address;
    __atomic_store_n(slot->address, imports[slot->import].hook, __ATOMIC_RELEASE);
}

static bool is_ours(const struct object *object)
{
    return lies_in(object, &mutex);
}

/* Where our own calls lead to: we are linked so that they are bound from the beginning. Names with one hook are names of one function. */
static void note_called(const struct object *object, const struct slot *slot, bool *opened)
{
    for (size_t i = 0; slot->is_called && i < import_count; i++)
        if (imports[i].hook == imports[slot->import].hook)
            called[i] = *slot->address;
}

/* Else a hook that calls it might be led to itself. */
static bool all_are_called(void)
{
    for (size_t i = 0; i < import_count; i++)
        if (!called[i])
            return false;
    return true;
}

static int note_complete(struct dl_phdr_info *info, size_t size, void *complete)
{
    struct object object;
    put(complete, info->dlpi_addr);
    if (!program_end && read_object(info, &object)) { /* the first one is the program */
        program_start = object.start;
        program_end = object.end;
    }
    if (read_object(info, &object) && is_ours(&object))
        visit_slots(&object, note_called);
    return 0;
}

static int patch_object(struct dl_phdr_info *info, size_t size, void *complete)
{
    struct object object;
    if (info->dlpi_subs != unloaded) { /* others may lie where those did */
        unloaded = info->dlpi_subs;
        patched.count = 0;
    }
    if (!has(complete, info->dlpi_addr) || has(&patched, info->dlpi_addr))
        return 0;
    put(&patched, info->dlpi_addr);
    if (!is_library_of_system(info) && read_object(info, &object) && !is_ours(&object))
        visit_slots(&object, patch_slot);
    return 0;
}

/* Wait until another thread that loads an object now has done so: what is there before is relocated afterwards. */
static void wait_for_loading(void)
{
    void *program = dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD);
    if (program)
        dlclose(program);
}

static void lock(void)
{
    pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

static int begin(const struct pyro_import *wanted, size_t count)
{
    static bool forks;
    if (count > IMPORTS_MAX)
        return -EBUSY;
    if (!forks && pthread_atfork(lock, unlock, unlock) != 0)
        return -ENOMEM;
    forks = true;
    const void *by_name[IMPORTS_MAX];
    for (size_t i = 0; i < count; i++) /* without the mutex: it takes a lock of the linker's */
        by_name[i] = dlsym(RTLD_DEFAULT, wanted[i].name);
    lock();
    bool is_other = imports && imports != wanted;
    if (!imports) {
        memcpy(named, by_name, count * sizeof(*named));
        imports = wanted;
        import_count = count;
        patched.count = 0;
    }
    unlock();
    return is_other ? -EBUSY : 0;
}

/* What is wanted at this moment, of all objects; after a restore that is nothing. */
static int patch_all(void)
{
    int result = 0;
    struct bases *complete =
        mmap(NULL, sizeof(*complete), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (complete == MAP_FAILED)
        return -ENOMEM;
    lock();
    if (imports)
        (void)dl_iterate_phdr(note_complete, complete);
    unlock();
    wait_for_loading(); /* without the mutex: a constructor of that thread may fork */
    lock();
    if (imports)
        result = all_are_called() ? 0 : -ENOSYS;
    if (imports && result == 0)
        (void)dl_iterate_phdr(patch_object, complete);
    unlock();
    munmap(complete, sizeof(*complete));
    return result;
}

int pyro_slots_patch(const struct pyro_import *wanted, size_t count)
{
    int result = begin(wanted, count);
    return result < 0 ? result : patch_all();
}

void pyro_slots_patch_new(void)
{
    (void)patch_all();
}

/* -- and back ----------------------------------------------------------------------------------- */

static void restore_slot(const struct object *object, const struct slot *slot, bool *opened)
{
    const uint64_t *original = pyro_map_find(&originals, (uintptr_t)slot->address, 0);
    if (original && *slot->address == imports[slot->import].hook &&
        open_page(object, slot->address, opened))
        __atomic_store_n(slot->address, (void *)(uintptr_t)*original, __ATOMIC_RELEASE);
}

/* Of what is loaded still: what was unloaded since took its slots with it. */
static int restore_object(struct dl_phdr_info *info, size_t size, void *context)
{
    struct object object;
    if (has(&patched, info->dlpi_addr) && !is_library_of_system(info) &&
        read_object(info, &object) && !is_ours(&object))
        visit_slots(&object, restore_slot);
    return 0;
}

void pyro_slots_restore(void)
{
    lock();
    if (imports)
        (void)dl_iterate_phdr(restore_object, NULL);
    pyro_map_free(&originals);
    imports = NULL;
    unlock();
}
