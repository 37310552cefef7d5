/* target/permission.c - what to tell a user whom the kernel does not let look into a process. */
#include "target/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_LENGTH_MAX 700 /* of a struct pyro_error's hint */

/* WORD as a shell takes it back. */
static void put_quoted(struct pyro_buffer *buffer, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./_-";
    if (*word && strspn(word, plain) == strlen(word)) {
        pyro_buffer_puts(buffer, word);
        return;
    }
    pyro_buffer_put_u8(buffer, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            pyro_buffer_puts(buffer, "'\\''");
        else
            pyro_buffer_put_u8(buffer, (uint8_t)*word);
    }
    pyro_buffer_put_u8(buffer, '\'');
}

/* "sudo /usr/bin/pyrometer record --pid 12": this program's own command line. */
static void put_own_command(struct pyro_buffer *command)
{
    struct pyro_buffer arguments = {0};
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[length < 0 ? 0 : length] = '\0';
    pyro_buffer_puts(command, "sudo ");
    put_quoted(command, program);
    if (pyro_process_arguments(getpid(), &arguments) == 0) {
        pyro_buffer_put_u8(&arguments, '\0'); /* whoever rewrote our arguments may have left none */
        size_t at = arguments.failed ? arguments.size : strlen((char *)arguments.data) + 1;
        while (at + 1 < arguments.size) {
            const char *word = (const char *)arguments.data + at;
            pyro_buffer_put_u8(command, ' ');
            put_quoted(command, word);
            at += strlen(word) + 1;
        }
    }
    pyro_buffer_put_u8(command, '\0');
    pyro_buffer_free(&arguments);
}

/* kernel.yama.ptrace_scope; 0 also where there is none. */
static int yama_scope(void)
{
    int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char digit = '0';
    ssize_t length = read(fd, &digit, 1);
    close(fd);
    return length == 1 && digit >= '0' && digit <= '3' ? digit - '0' : 0;
}

int pyro_target_not_allowed(struct pyro_error *error, pid_t pid)
{
    pyro_error_set(error, -EPERM, "cannot look into process %d: permission denied", (int)pid);
    int scope = yama_scope();
    if (scope == 3) {
        pyro_error_hint(error, "kernel.yama.ptrace_scope is 3: nobody may, until the next boot");
        return -EPERM;
    }
    if (geteuid() == 0) {
        pyro_error_hint(error,
                        "root lacks CAP_SYS_PTRACE here: in a container, start it with "
                        "--cap-add=SYS_PTRACE%s",
                        scope ? "; or see kernel.yama.ptrace_scope" : "");
        return -EPERM;
    }
    char reason[160] = "";
    if (scope)
        snprintf(reason, sizeof(reason), " (kernel.yama.ptrace_scope is %d: %s)", scope,
                 scope == 1 ? "only descendants may be looked into" : "only root may");
    struct pyro_buffer command = {0};
    put_own_command(&command);
    if (!command.failed && command.size <= COMMAND_LENGTH_MAX)
        pyro_error_hint(error, "run: %s%s", (const char *)command.data, reason);
    else
        pyro_error_hint(error, "run the same command again with sudo%s", reason);
    pyro_buffer_free(&command);
    return -EPERM;
}
