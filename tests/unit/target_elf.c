/* tests/unit/target_elf.c - target/elf.h. */
#include "target/elf.h"

#include "target_child.h"

#include <elf.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* What the tests look for in this very program. */
const char known_text[] = "bytes that are in the file";
int known_zeros[1000];
/* The linker puts it behind .bss. */
__attribute__((section(".unheard_of,\"aw\",@nobits#"))) char after_bss[300];

static pyro_addr addr_of(const void *data)
{
    return pyro_addr_at((uint64_t)(uintptr_t)data);
}

static void check_own_symbols(pyro_addr inside)
{
    struct pyro_maps maps;
    struct pyro_elf *elf;
    pyro_addr addr;
    uint64_t size;
    char copy[sizeof(known_text)];
    struct pyro_elf_section section;
    CHECK_EQ(pyro_maps_load(getpid(), &maps, NULL), 0);
    CHECK_EQ(pyro_elf_open(getpid(), &maps, pyro_maps_find(&maps, inside), &elf), 0);
    CHECK_EQ(pyro_elf_symbol(elf, "known_text", &addr, &size), 0);
    CHECK_EQ(addr.u, addr_of(known_text).u);
    CHECK_EQ(size, sizeof(known_text));
    CHECK_EQ(pyro_elf_read(elf, addr, copy, sizeof(copy)), 0);
    CHECK_STR(copy, known_text);
    CHECK_EQ(pyro_elf_symbol(elf, "no such symbol", &addr, NULL), -ENOENT);
    CHECK_EQ(pyro_elf_symbol(elf, "", &addr, NULL), -ENOENT);
    CHECK_EQ(pyro_elf_section(elf, ".bss", &section), 0);
    CHECK_EQ(section.file_offset, -1);
    CHECK(addr_of(known_zeros).u - section.addr.u < section.size);
    CHECK_EQ(pyro_elf_zeros_end(elf, &addr), 0);
    CHECK(addr.u >= section.addr.u + section.size);
    CHECK(addr.u >= addr_of(&after_bss).u + sizeof(after_bss));
    CHECK(addr.u < addr_of(&after_bss).u + 4096);
    CHECK_EQ(pyro_elf_section(elf, ".rodata", &section), 0);
    CHECK(section.file_offset > 0);
    CHECK_EQ(pyro_elf_section(elf, ".PyRuntime", &section), -ENOENT);
    CHECK_EQ(pyro_elf_read(elf, addr_of(known_zeros), copy, 8), -EFAULT);
    CHECK_EQ(pyro_elf_read(elf, pyro_addr_at(0), copy, SIZE_MAX), -EFAULT);
    CHECK_EQ(pyro_elf_read(elf, pyro_addr_at(UINT64_MAX - 2), copy, 8), -EFAULT);
    pyro_elf_free(elf);
    pyro_elf_free(NULL);
    pyro_maps_clear(&maps);
}

/* Read-only data, data and code lie in mappings of their own: each must lead to the same answers. */
static void own_symbols_are_found_from_any_mapping(void)
{
    static int known_number = 1;
    check_own_symbols(addr_of(known_text));
    check_own_symbols(addr_of(&known_number));
    check_own_symbols(addr_of(&check_own_symbols));
}

static void a_library_is_found_by_dynsym(void)
{
    struct pyro_maps maps;
    struct pyro_elf *elf;
    pyro_addr addr;
    CHECK_EQ(pyro_maps_load(getpid(), &maps, NULL), 0);
    for (size_t i = 0; i < maps.count; i++) {
        const struct pyro_mapping *mapping = &maps.items[i];
        if (!strstr(mapping->path, "/libc.so"))
            continue;
        CHECK_EQ(pyro_elf_open(getpid(), &maps, mapping, &elf), 0);
        CHECK_EQ(pyro_elf_symbol(elf, "stdout", &addr, NULL), 0);
        const struct pyro_mapping *found = pyro_maps_find(&maps, addr);
        CHECK(found && found->writable);
        CHECK_EQ(pyro_elf_symbol(elf, "getenv", &addr, NULL), 0);
        found = pyro_maps_find(&maps, addr);
        CHECK(found && found->executable && found->inode == mapping->inode);
        pyro_elf_free(elf);
    }
    pyro_maps_clear(&maps);
}

/* Two segments with room between them: FD gets the file, TEXT how a loader maps it. */
static void lay_out_for_large_pages(int fd, const char *path, char *text, size_t size)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segments[2];
    } file = {.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                     EV_CURRENT},
                         .e_type = ET_DYN,
                         .e_version = EV_CURRENT,
                         .e_ehsize = sizeof(Elf64_Ehdr),
                         .e_phoff = sizeof(Elf64_Ehdr),
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 2},
              .segments = {
                  {.p_type = PT_LOAD, .p_filesz = 0x1000},
                  {.p_type = PT_LOAD, .p_offset = 0x1000, .p_vaddr = 0x11000, .p_filesz = 0x1000}}};
    struct stat stat;
    CHECK(write(fd, &file, sizeof(file)) == sizeof(file) && pwrite(fd, "second", 7, 0x1000) == 7);
    CHECK(ftruncate(fd, 0x2000) == 0 && fstat(fd, &stat) == 0);
    snprintf(text, size,
             "7000000-7001000 r-xp 00000000 %1$x:%2$x %3$lu %4$s\n"
             "7001000-7011000 ---p 00001000 %1$x:%2$x %3$lu %4$s\n"
             "7011000-7012000 rw-p 00001000 %1$x:%2$x %3$lu %4$s\n",
             major(stat.st_dev), minor(stat.st_dev), (unsigned long)stat.st_ino, path);
}

/* As libraries are laid out on aarch64. The room is mapped from the file as well, at an offset that fits
 * the second segment, but not where that is. */
static void room_between_segments_does_not_mislead(void)
{
    char path[] = "/tmp/pyro-test-elf-XXXXXX", maps_text[512], copy[7];
    struct pyro_maps maps;
    struct pyro_elf *elf;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    lay_out_for_large_pages(fd, path, maps_text, sizeof(maps_text));
    CHECK_EQ(pyro_maps_parse(maps_text, strlen(maps_text), &maps), 0);
    CHECK_EQ(maps.count, 3);
    for (size_t i = 0; i < maps.count; i++) {
        CHECK_EQ(pyro_elf_open(getpid(), &maps, &maps.items[i], &elf), 0);
        CHECK_EQ(pyro_elf_read(elf, pyro_addr_at(0x7011000), copy, sizeof(copy)), 0);
        CHECK_STR(copy, "second");
        pyro_elf_free(elf);
    }
    unlink(path);
    close(fd);
    pyro_maps_clear(&maps);
}

static pid_t start_program(const char *path)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        end_with(parent);
        execl(path, "sleep", "1000", (char *)NULL);
        _exit(127);
    }
    char link[64], target[256];
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    ssize_t length = -1;
    CHECK(EVENTUALLY((length = readlink(link, target, sizeof(target) - 1)) > 0 &&
                     (target[length] = '\0', strcmp(target, path) == 0)));
    return pid;
}

static void a_deleted_program_is_still_read(void)
{
    char path[64], command[256];
    struct pyro_maps maps;
    struct pyro_elf *elf;
    struct pyro_elf_section section;
    snprintf(path, sizeof(path), "/tmp/pyro-test-elf-%d", (int)getpid());
    snprintf(command, sizeof(command), "cp /bin/sleep %s", path);
    CHECK_EQ(system(command), 0);
    pid_t pid = start_program(path);
    /* Replaced by something else, then gone altogether. */
    snprintf(command, sizeof(command), "cp /bin/true %s.new && mv %s.new %s", path, path, path);
    CHECK_EQ(system(command), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pyro_maps_load(pid, &maps, NULL), 0);
        CHECK_STR(maps.items[0].path, path);
        CHECK(maps.items[0].deleted);
        CHECK_EQ(pyro_elf_open(pid, &maps, &maps.items[0], &elf), 0);
        CHECK_EQ(pyro_elf_section(elf, ".rodata", &section), 0);
        const struct pyro_mapping *found = pyro_maps_find(&maps, section.addr);
        CHECK(found && found->inode == maps.items[0].inode);
        pyro_elf_free(elf);
        pyro_maps_clear(&maps);
        unlink(path);
    }
    child_kill(pid);
}

/* A folder with nothing but sleep, under a name that our own root does not have, and its libraries. */
static void make_root(const char *root)
{
    char command[512];
    snprintf(command, sizeof(command),
             "set -e; mkdir %s; cp /bin/sleep %s/only-there;"
             "for file in $(ldd /bin/sleep | grep -o '/[^ ]*'); do"
             " mkdir -p %s$(dirname $file); cp -L $file %s$file; done",
             root, root, root, root);
    CHECK_EQ(system(command), 0);
}

static void a_program_in_another_root_is_read(void)
{
    struct pyro_maps maps;
    struct pyro_elf *elf;
    struct pyro_elf_section section;
    char root[64], command[128];
    if (geteuid() != 0)
        SKIP("only root may enter another root");
    snprintf(root, sizeof(root), "/tmp/pyro-test-root-%d", (int)getpid());
    make_root(root);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        end_with(parent);
        if (chroot(root) == 0 && chdir("/") == 0)
            execl("/only-there", "sleep", "1000", (char *)NULL);
        _exit(127);
    }
    bool started =
        EVENTUALLY(pyro_maps_load(pid, &maps, NULL) == 0 &&
                   (strstr(maps.items[0].path, "/only-there") || (pyro_maps_clear(&maps), false)));
    int opened = started ? pyro_elf_open(pid, &maps, &maps.items[0], &elf) : -ESRCH;
    int found = opened == 0 ? pyro_elf_section(elf, ".rodata", &section) : -ENOENT;
    child_kill(pid);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    CHECK_EQ(system(command), 0);
    CHECK(started);
    CHECK_EQ(opened, 0);
    CHECK_EQ(found, 0);
    pyro_elf_free(elf);
    pyro_maps_clear(&maps);
}

/* -- hostile files ------------------------------------------------------------------------------ */

static void use_everything(int fd)
{
    struct pyro_elf *elf;
    pyro_addr addr;
    struct pyro_elf_section section;
    char bytes[64];
    if (pyro_elf_from_fd(fd, 0x1000, &elf) < 0)
        return;
    pyro_elf_symbol(elf, "main", &addr, NULL);
    pyro_elf_symbol(elf, "no such symbol", &addr, NULL);
    pyro_elf_section(elf, ".bss", &section);
    pyro_elf_section(elf, "no such section", &section);
    pyro_elf_read(elf, pyro_addr_at(0x1000), bytes, sizeof(bytes));
    pyro_elf_free(elf);
}

static int temporary_file(void)
{
    char path[] = "/tmp/pyro-test-elf-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    unlink(path);
    return fd;
}

/* Some 30 KiB of a real file. */
static size_t load_sample(uint8_t *bytes, size_t max)
{
    int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, bytes, max);
    CHECK(size > (ssize_t)sizeof(Elf64_Ehdr));
    close(fd);
    return (size_t)size;
}

static void truncated_and_mutated_files_do_no_harm(void)
{
    static uint8_t original[256 << 10], bytes[256 << 10];
    size_t size = load_sample(original, sizeof(original));
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)original;
    int fd = temporary_file();
    srand(1);
    for (int round = 0; round < 1500; round++) {
        memcpy(bytes, original, size);
        for (int i = 0; i < 1 + rand() % 8; i++) {
            /* Half of the changes in the headers, where they hurt. */
            size_t at = (size_t)rand() % size;
            if (rand() % 2)
                at = rand() % 2 ? (size_t)rand() % 1024 : header->e_shoff + (size_t)rand() % 1900;
            if (at < size)
                bytes[at] = (uint8_t)(rand() % 3 ? rand() : rand() % 2 ? 0xff : 0);
        }
        size_t length = round % 5 ? size : (size_t)rand() % size;
        CHECK(ftruncate(fd, 0) == 0);
        CHECK(pwrite(fd, bytes, length, 0) == (ssize_t)length);
        use_everything(fd);
    }
    close(fd);
}

static void files_that_are_no_elf_are_refused(void)
{
    struct pyro_elf *elf;
    int fd = temporary_file();
    CHECK_EQ(pyro_elf_from_fd(fd, 0, &elf), -EINVAL);
    CHECK(write(fd, "#!/bin/sh\n", 10) == 10);
    CHECK_EQ(pyro_elf_from_fd(fd, 0, &elf), -EINVAL);
    /* A header that claims a billion sections. */
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_version = EV_CURRENT,
        .e_ehsize = sizeof(header),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shoff = sizeof(header)};
    Elf64_Shdr first = {.sh_size = 1000000000};
    CHECK(pwrite(fd, &header, sizeof(header), 0) == sizeof(header));
    CHECK(pwrite(fd, &first, sizeof(first), sizeof(header)) == sizeof(first));
    CHECK(ftruncate(fd, (off_t)100 << 30) == 0);
    CHECK_EQ(pyro_elf_from_fd(fd, 0, &elf), -EINVAL);
    close(fd);
    CHECK_EQ(pyro_elf_from_fd(-1, 0, &elf), -EBADF);
}

static void a_file_without_sections_has_no_symbols(void)
{
    static uint8_t bytes[256 << 10];
    size_t size = load_sample(bytes, sizeof(bytes));
    Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)bytes;
    struct pyro_elf *elf;
    pyro_addr addr;
    struct pyro_elf_section section;
    char magic[4];
    header->e_shoff = header->e_shnum = header->e_shstrndx = 0;
    int fd = temporary_file();
    CHECK(write(fd, bytes, size) == (ssize_t)size);
    CHECK_EQ(pyro_elf_from_fd(fd, 0x5000, &elf), 0);
    CHECK_EQ(pyro_elf_symbol(elf, "main", &addr, NULL), -ENOENT);
    CHECK_EQ(pyro_elf_section(elf, ".bss", &section), -ENOENT);
    CHECK_EQ(pyro_elf_read(elf, pyro_addr_at(0x5000), magic, 4), 0);
    CHECK(memcmp(magic, ELFMAG, 4) == 0);
    pyro_elf_free(elf);
    close(fd);
}

int main(void)
{
    return CHECK_MAIN(
        TEST(own_symbols_are_found_from_any_mapping), TEST(a_library_is_found_by_dynsym),
        TEST(room_between_segments_does_not_mislead), TEST(a_deleted_program_is_still_read),
        TEST(a_program_in_another_root_is_read), TEST(truncated_and_mutated_files_do_no_harm),
        TEST(files_that_are_no_elf_are_refused), TEST(a_file_without_sections_has_no_symbols));
}
