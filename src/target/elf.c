/* target/elf.c - ELF files by way of libelf.
 *
 * The file belongs to the target and is hostile: libelf reads it with pread (a mapping would end in
 * SIGBUS if the file shrank), counts and sizes are limited before libelf allocates for them, and
 * names are only used from string tables that end in NUL. */
#include "target/elf.h"

#include "target/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ELF_SECTIONS_MAX     (1u << 16)
#define ELF_SEGMENTS_MAX     64
#define ELF_SECTION_SIZE_MAX (512u << 20) /* of the symbol and string tables we load */

struct segment {
    uint64_t vaddr, offset, file_size, memory_size;
    bool writable;
};

struct pyro_elf {
    int fd;
    Elf *elf;
    uint64_t bias; /* address in the target minus address in the file; wraps */
    struct segment segments[ELF_SEGMENTS_MAX]; /* PT_LOAD */
    size_t segment_count;
    size_t section_names; /* index of the section that holds the names of sections */
};

/* -- opening ------------------------------------------------------------------------------------ */

static int read_file(int fd, uint64_t offset, void *data, size_t size)
{
    uint8_t *next = data;
    while (size) {
        if (offset > INT64_MAX)
            return -EINVAL;
        ssize_t count = pread(fd, next, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            return -EINVAL; /* shorter than its headers say */
        next += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return 0;
}

/* libelf allocates by the number of sections at once. Large numbers hide in section 0. */
static int check_header(int fd)
{
    Elf64_Ehdr header;
    Elf64_Shdr first;
    int error = read_file(fd, 0, &header, sizeof(header));
    if (error < 0)
        return error;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB)
        return -EINVAL;
    if (header.e_phnum > ELF_SEGMENTS_MAX)
        return -EINVAL;
    if (header.e_shnum != 0 || header.e_shoff == 0)
        return 0;
    error = read_file(fd, header.e_shoff, &first, sizeof(first));
    if (error < 0)
        return error;
    return first.sh_size > ELF_SECTIONS_MAX ? -EINVAL : 0;
}

static int load_segments(struct pyro_elf *elf)
{
    size_t count;
    if (elf_getphdrnum(elf->elf, &count) < 0 || count > ELF_SEGMENTS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf->elf, (int)i, &header))
            return -EINVAL;
        if (header.p_type != PT_LOAD)
            continue;
        elf->segments[elf->segment_count++] = (struct segment){.vaddr = header.p_vaddr,
                                                               .offset = header.p_offset,
                                                               .file_size = header.p_filesz,
                                                               .memory_size = header.p_memsz,
                                                               .writable = header.p_flags & PF_W};
    }
    return 0;
}

/* Takes FD, also on failure. */
static int open_owned(int fd, uint64_t bias, struct pyro_elf **ret_elf)
{
    struct pyro_elf *elf = calloc(1, sizeof(*elf));
    if (!elf) {
        close(fd);
        return -ENOMEM;
    }
    elf->fd = fd;
    elf->bias = bias;
    int error = check_header(fd);
    if (error < 0)
        goto fail;
    error = -EINVAL;
    if (elf_version(EV_CURRENT) == EV_NONE)
        goto fail;
    elf->elf = elf_begin(fd, ELF_C_READ, NULL);
    if (!elf->elf || elf_kind(elf->elf) != ELF_K_ELF)
        goto fail;
    if (elf_getshdrstrndx(elf->elf, &elf->section_names) < 0)
        elf->section_names = 0; /* a file without sections is still an ELF file */
    error = load_segments(elf);
    if (error < 0)
        goto fail;
    *ret_elf = elf;
    return 0;
fail:
    pyro_elf_free(elf);
    return error;
}

int pyro_elf_from_fd(int fd, uint64_t bias, struct pyro_elf **ret_elf)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return own < 0 ? -errno : open_owned(own, bias, ret_elf);
}

void pyro_elf_free(struct pyro_elf *elf)
{
    if (!elf)
        return;
    if (elf->elf)
        elf_end(elf->elf);
    close(elf->fd);
    free(elf);
}

/* -- where it is loaded ------------------------------------------------------------------------- */

static bool same_object(const struct pyro_mapping *a, const struct pyro_mapping *b)
{
    return a->inode == b->inode && a->device_major == b->device_major &&
           a->device_minor == b->device_minor;
}

/* How many segments begin where a mapping of the same file shows their first bytes, given BIAS. */
static size_t count_matches(const struct pyro_elf *elf, const struct pyro_maps *maps,
                            const struct pyro_mapping *mapping, uint64_t bias)
{
    size_t matches = 0;
    for (size_t i = 0; i < elf->segment_count; i++) {
        const struct segment *segment = &elf->segments[i];
        uint64_t start = bias + segment->vaddr;
        const struct pyro_mapping *found = pyro_maps_find(maps, pyro_addr_at(start));
        matches += found && same_object(found, mapping) &&
                   found->file_offset + (start - found->start.u) == segment->offset;
    }
    return matches;
}

/* One page of the file may be mapped twice, as the end of one segment and the start of the next, so
 * MAPPING can fit several segments. The right one makes the others fit as well. */
static int find_bias(const struct pyro_elf *elf, const struct pyro_maps *maps,
                     const struct pyro_mapping *mapping, uint64_t *ret_bias)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    size_t best = 0;
    for (size_t i = 0; i < elf->segment_count; i++) {
        const struct segment *segment = &elf->segments[i];
        uint64_t first_page = segment->offset & ~(page - 1);
        if (mapping->file_offset < first_page ||
            mapping->file_offset - first_page >=
                segment->file_size + (segment->offset - first_page))
            continue;
        uint64_t bias =
            mapping->start.u - (segment->vaddr - segment->offset + mapping->file_offset);
        size_t matches = count_matches(elf, maps, mapping, bias);
        if (matches > best) {
            best = matches;
            *ret_bias = bias;
        }
    }
    return best ? 0 : -EINVAL;
}

/* A file laid out for pages of 64 KiB (aarch64) has room between its segments, which the loader leaves
 * mapped without any access and at an offset that means nothing: what stands before it counts. */
static const struct pyro_mapping *before_room(const struct pyro_maps *maps,
                                              const struct pyro_mapping *mapping)
{
    while (!mapping->readable && !mapping->writable && !mapping->executable) {
        const struct pyro_mapping *before =
            pyro_maps_find(maps, pyro_addr_at(mapping->start.u - 1));
        if (!before || !same_object(before, mapping))
            break;
        mapping = before;
    }
    return mapping;
}

int pyro_elf_open(pid_t pid, const struct pyro_maps *maps, const struct pyro_mapping *mapping,
                  struct pyro_elf **ret_elf)
{
    struct pyro_elf *elf;
    int fd = pyro_maps_open_file(pid, mapping);
    if (fd < 0)
        return fd;
    int error = open_owned(fd, 0, &elf);
    if (error < 0)
        return error;
    error = find_bias(elf, maps, before_room(maps, mapping), &elf->bias);
    if (error < 0) {
        pyro_elf_free(elf);
        return error;
    }
    *ret_elf = elf;
    return 0;
}

/* -- sections ----------------------------------------------------------------------------------- */

/* The bytes of a table, or NULL: none, too large, not in the file. */
static const Elf_Data *load_table(Elf_Scn *section)
{
    GElf_Shdr header;
    if (!section || !gelf_getshdr(section, &header) || header.sh_size > ELF_SECTION_SIZE_MAX ||
        header.sh_type == SHT_NOBITS || (header.sh_flags & SHF_COMPRESSED))
        return NULL;
    const Elf_Data *data = elf_getdata(section, NULL);
    return data && data->d_buf && data->d_size ? data : NULL;
}

/* Only a table that ends in NUL: then every offset within it starts a string. */
static const Elf_Data *load_strings(Elf_Scn *section)
{
    const Elf_Data *data = load_table(section);
    return data && ((const char *)data->d_buf)[data->d_size - 1] == '\0' ? data : NULL;
}

static bool string_is(const Elf_Data *strings, uint64_t offset, const char *wanted)
{
    return offset < strings->d_size && strcmp((const char *)strings->d_buf + offset, wanted) == 0;
}

int pyro_elf_section(const struct pyro_elf *elf, const char *name,
                     struct pyro_elf_section *ret_section)
{
    const Elf_Data *names = load_strings(elf_getscn(elf->elf, elf->section_names));
    if (!names)
        return -ENOENT;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf->elf, section));) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || !string_is(names, header.sh_name, name))
            continue;
        bool loaded = header.sh_flags & SHF_ALLOC;
        bool in_file = header.sh_type != SHT_NOBITS && header.sh_offset <= INT64_MAX;
        *ret_section = (struct pyro_elf_section){
            .addr = pyro_addr_at(loaded ? elf->bias + header.sh_addr : 0),
            .size = header.sh_size,
            .file_offset = in_file ? (int64_t)header.sh_offset : -1,
        };
        return 0;
    }
    return -ENOENT;
}

int pyro_elf_zeros_end(const struct pyro_elf *elf, pyro_addr *ret_end)
{
    const struct segment *last = elf->segments;
    for (size_t i = 1; i < elf->segment_count; i++)
        if (elf->segments[i].vaddr > last->vaddr)
            last = &elf->segments[i];
    if (!elf->segment_count || !last->writable || last->memory_size <= last->file_size)
        return -ENOENT;
    *ret_end = pyro_addr_at(elf->bias + last->vaddr + last->memory_size);
    return 0;
}

/* -- symbols ------------------------------------------------------------------------------------ */

static bool is_defined(const GElf_Sym *symbol)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_COMMON && type != STT_TLS &&
           type != STT_FILE && type != STT_SECTION;
}

static int search_table(const struct pyro_elf *elf, Elf_Scn *section, const GElf_Shdr *header,
                        const char *name, GElf_Sym *ret_symbol)
{
    const Elf_Data *strings = load_strings(elf_getscn(elf->elf, header->sh_link));
    const Elf_Data *symbols = load_table(section);
    if (!strings || !symbols || symbols->d_type != ELF_T_SYM)
        return -ENOENT;
    size_t count = symbols->d_size / sizeof(Elf64_Sym);
    for (size_t i = 1; i < count && i <= INT32_MAX; i++) { /* 0 is reserved */
        GElf_Sym symbol;
        if (!gelf_getsym((Elf_Data *)symbols, (int)i, &symbol))
            return -ENOENT;
        if (string_is(strings, symbol.st_name, name) && is_defined(&symbol)) {
            *ret_symbol = symbol;
            return 0;
        }
    }
    return -ENOENT;
}

static int search_tables(const struct pyro_elf *elf, GElf_Word type, const char *name,
                         GElf_Sym *ret_symbol)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf->elf, section));) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == type &&
            search_table(elf, section, &header, name, ret_symbol) == 0)
            return 0;
    }
    return -ENOENT;
}

int pyro_elf_symbol(const struct pyro_elf *elf, const char *name, pyro_addr *ret_addr,
                    uint64_t *ret_size)
{
    GElf_Sym symbol;
    if (search_tables(elf, SHT_DYNSYM, name, &symbol) < 0 &&
        search_tables(elf, SHT_SYMTAB, name, &symbol) < 0)
        return -ENOENT;
    uint64_t bias = symbol.st_shndx == SHN_ABS ? 0 : elf->bias;
    *ret_addr = pyro_addr_at(bias + symbol.st_value);
    if (ret_size)
        *ret_size = symbol.st_size;
    return 0;
}

/* -- bytes -------------------------------------------------------------------------------------- */

int pyro_elf_read(const struct pyro_elf *elf, pyro_addr addr, void *data, size_t size)
{
    uint64_t vaddr = addr.u - elf->bias;
    for (size_t i = 0; i < elf->segment_count; i++) {
        const struct segment *segment = &elf->segments[i];
        if (vaddr < segment->vaddr || vaddr - segment->vaddr > segment->file_size)
            continue;
        uint64_t within = vaddr - segment->vaddr;
        if (size <= segment->file_size - within)
            return read_file(elf->fd, segment->offset + within, data, size);
    }
    return -EFAULT;
}
