/* target/sockets.c - whom a socket is connected to, from the kernel's tables.
 *
 * To read one of these takes milliseconds, in which the kernel goes through a hash table of the whole machine: so only the one that the
 * socket is in is read, and once for each socket. */
#include "target/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NET_BYTES_MAX (1u << 20) /* of one table of sockets: some 7000 connections */
#define PROTOCOL \
    "system.sockprotoname" /* fs/xattr and net/socket.c: the name of its struct proto */

/* The start of word number INDEX (from 0) of LINE, or NULL. */
static const char *find_word(const char *line, int index)
{
    line += strspn(line, " ");
    for (; index > 0 && *line; index--) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return *line ? line : NULL;
}

/* "0100007F:1538": 32-bit words in this machine's byte order, then the port. */
static int parse_address(const char *text, bool *ret_ipv6, uint32_t words[4], uint16_t *ret_port)
{
    size_t digits = strspn(text, "0123456789ABCDEF");
    if ((digits != 8 && digits != 32) || text[digits] != ':')
        return -EINVAL;
    for (size_t i = 0; i < digits / 8; i++) {
        char word[9] = {0};
        memcpy(word, text + 8 * i, 8);
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    const char *after = text + digits + 1;
    uint64_t port;
    if (pyro_proc_number(&after, 16, &port) < 0 || port > UINT16_MAX)
        return -EINVAL;
    *ret_ipv6 = digits == 32;
    *ret_port = (uint16_t)port;
    return 0;
}

static void format_address(bool ipv6, const uint32_t words[4], uint16_t port, char *text,
                           size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool mapped = ipv6 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
    if (!ipv6 || mapped)
        inet_ntop(AF_INET, mapped ? &words[3] : &words[0], host, sizeof(host));
    else
        inet_ntop(AF_INET6, words, host, sizeof(host));
    bool brackets = ipv6 && !mapped;
    snprintf(text, size, "%s%s%s:%u", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

/* tcp and udp: "sl local remote state queues timer retransmits uid timeout inode". */
static bool match_internet(const char *line, void *context)
{
    struct pyro_socket_name *search = context;
    const char *inode_text = find_word(line, 9), *local = find_word(line, 1);
    const char *remote = find_word(line, 2);
    uint64_t inode;
    if (!inode_text || pyro_proc_number(&inode_text, 10, &inode) < 0 || inode != search->inode)
        return false;
    bool ipv6;
    uint32_t words[4];
    uint16_t port;
    if (parse_address(remote, &ipv6, words, &port) < 0)
        return true;
    search->peer_port = port;
    /* One that listens, or is not connected, has no peer: then its own address tells most. */
    if (port == 0 && parse_address(local, &ipv6, words, &port) < 0)
        return true;
    format_address(ipv6, words, port, search->text, sizeof(search->text));
    return true;
}

/* unix: "address count protocol flags type state inode path". */
static bool match_unix(const char *line, void *context)
{
    struct pyro_socket_name *search = context;
    const char *inode_text = find_word(line, 6), *path = find_word(line, 7);
    uint64_t inode;
    if (!inode_text || pyro_proc_number(&inode_text, 10, &inode) < 0 || inode != search->inode)
        return false;
    snprintf(search->text, sizeof(search->text), "%s", path ? path : "unix socket");
    return true;
}

/* Give each line of FD to MATCH until it says true. The rest of an overlong line counts as a line. */
static bool search_lines(int fd, bool (*match)(const char *line, void *context), void *context)
{
    char text[8192];
    size_t held = 0, total = 0;
    while (total < NET_BYTES_MAX) {
        ssize_t count = read(fd, text + held, sizeof(text) - 1 - held);
        if (count <= 0)
            break;
        total += (size_t)count;
        held += (size_t)count;
        text[held] = '\0';
        char *line = text;
        for (char *end; (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            if (match(line, context))
                return true;
        }
        held -= (size_t)(line - text);
        if (held == sizeof(text) - 1)
            held = 0;
        memmove(text, line, held);
    }
    return false;
}

bool pyro_proc_each_line(pid_t pid, const char *name,
                         bool (*match)(const char *line, void *context), void *context)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool found = search_lines(fd, match, context);
    close(fd);
    return found;
}

/* Which tables may have it, by its protocol; where that is not told (Linux before 3.7), any may. */
static const struct table {
    const char *protocol, *name;
    bool (*match)(const char *line, void *context);
    bool lasts; /* one that is in it keeps its peer; of UDP, connect() changes it */
} tables[] = {
    {"TCP", "net/tcp", match_internet, true},  {"TCPv6", "net/tcp6", match_internet, true},
    {"UNIX", "net/unix", match_unix, true},    {"UNIX-STREAM", "net/unix", match_unix, true},
    {"UDP", "net/udp", match_internet, false}, {"UDPv6", "net/udp6", match_internet, false},
};

static bool search_tables(pid_t pid, const char *link, struct pyro_socket_name *search)
{
    char protocol[32];
    ssize_t size = getxattr(link, PROTOCOL, protocol, sizeof(protocol) - 1);
    protocol[size < 0 ? 0 : size] = '\0';
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (size > 0 && strcmp(tables[i].protocol, protocol) != 0)
            continue;
        if (pyro_proc_each_line(pid, tables[i].name, tables[i].match, search)) {
            search->lasts = tables[i].lasts;
            return true;
        }
    }
    return false;
}

void pyro_socket_find(struct pyro_socket_names *names, pid_t pid, const char *link, uint64_t inode,
                      struct pyro_socket_name *ret_name)
{
    for (size_t i = 0; names && i < PYRO_SOCKET_NAMES; i++) {
        if (names->known[i].inode == inode && inode) {
            *ret_name = names->known[i];
            return;
        }
    }
    *ret_name = (struct pyro_socket_name){.inode = inode, .text = "socket"};
    if (search_tables(pid, link, ret_name) && names && ret_name->lasts)
        names->known[names->next++ % PYRO_SOCKET_NAMES] = *ret_name;
}
