/* target/elf.h - symbols and sections of a program or library as it is loaded in a target.
 *
 * Built on libelf. A stripped, broken or hostile file gives -ENOENT or -EINVAL, never a crash. */
#ifndef PYRO_TARGET_ELF_H
#define PYRO_TARGET_ELF_H

#include "target/maps.h"

struct pyro_elf;

struct pyro_elf_section {
    pyro_addr addr; /* in the target */
    uint64_t size;
    int64_t file_offset; /* -1: no bytes in the file (.bss) */
};

/* The ELF object that the target PID has mapped through MAPPING (any of its mappings); its load
 * address comes from MAPS. */
int pyro_elf_open(pid_t pid, const struct pyro_maps *maps, const struct pyro_mapping *mapping,
                  struct pyro_elf **ret_elf);
/* The ELF file behind FD (not consumed), loaded at BIAS. */
int pyro_elf_from_fd(int fd, uint64_t bias, struct pyro_elf **ret_elf);
void pyro_elf_free(struct pyro_elf *elf);

/* Look NAME up in .dynsym and then .symtab. *ret_size may be NULL. -ENOENT: not there. */
int pyro_elf_symbol(const struct pyro_elf *elf, const char *name, pyro_addr *ret_addr,
                    uint64_t *ret_size);
int pyro_elf_section(const struct pyro_elf *elf, const char *name,
                     struct pyro_elf_section *ret_section);
/* Where it ends, if the last of it are variables that the file has no bytes of, whatever sections they are in. -ENOENT: they are not. */
int pyro_elf_zeros_end(const struct pyro_elf *elf, pyro_addr *ret_end);
/* Copy SIZE bytes at ADDR (in the target's terms) from the file: for read-only data. */
int pyro_elf_read(const struct pyro_elf *elf, pyro_addr addr, void *data, size_t size);

#endif
