/* bench/worktree.c - an earlier revision beside the present one, by git itself. */
#include "bench/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES 3 /* to remove a worktree while the user interrupts */

/* `git ARGV...`; what it printed, without the line's end, is in PROCESS. */
static int run_git(const char *const *argv, struct pyro_bench_signals *signals,
                   struct pyro_bench_process *process, struct pyro_error *error)
{
    struct pyro_bench_run run = {0};
    *process = (struct pyro_bench_process){
        .argv = (char *const *)argv,
        .directory = "",
        .output = PYRO_BENCH_CAPTURE,
    };
    int code = pyro_bench_process_run(process, signals, &run, error);
    process->last_words[strcspn(process->last_words, "\n")] = '\0';
    if (code == 0 && run.wait_status != 0)
        return pyro_error_set(error, -ECHILD, "git %s: %s", argv[1],
                              *process->last_words ? process->last_words : "it failed");
    return code;
}

/* The answer to `git rev-parse OPTION WORD` into TEXT; WORD may be NULL. */
static int ask_git(const char *option, const char *word, struct pyro_bench_signals *signals,
                   char *text, size_t size, struct pyro_error *error)
{
    struct pyro_bench_process process;
    const char *const argv[] = {"git", "rev-parse", option, word, NULL};
    int code = run_git(argv, signals, &process, error);
    if (code < 0)
        return code;
    if (process.complained || process.printed_bytes >= sizeof(process.last_words))
        return pyro_error_set(error, -EINVAL, "git rev-parse %s: %s", option, process.last_words);
    snprintf(text, size, "%.*s", (int)size - 1, process.last_words);
    return 0;
}

static int make_folder(struct pyro_worktree *worktree, struct pyro_error *error)
{
    const char *directory = getenv("TMPDIR");
    snprintf(worktree->root, sizeof(worktree->root), "%s/pyrometer-XXXXXX",
             directory && *directory ? directory : "/tmp");
    if (mkdtemp(worktree->root))
        return 0;
    int code = pyro_error_set(error, -errno, "cannot make the folder '%s': %s", worktree->root,
                              strerror(errno));
    worktree->root[0] = '\0';
    return code;
}

int pyro_worktree_add(const char *revision, struct pyro_bench_signals *signals,
                      struct pyro_worktree *ret_worktree, struct pyro_error *error)
{
    char wanted[512], prefix[1024];
    struct pyro_bench_process process;
    struct pyro_worktree worktree = {0};
    snprintf(wanted, sizeof(wanted), "%s^{commit}", revision);
    int code = ask_git("--show-prefix", NULL, signals, prefix, sizeof(prefix), error);
    if (code == 0)
        code = ask_git("--verify", wanted, signals, worktree.revision, sizeof(worktree.revision),
                       error);
    if (code == 0)
        code = make_folder(&worktree, error);
    if (code < 0)
        return code;
    const char *const argv[] = {"git",         "worktree",        "add", "--detach", "--quiet",
                                worktree.root, worktree.revision, NULL};
    code = run_git(argv, signals, &process, error);
    snprintf(worktree.directory, sizeof(worktree.directory), "%s/%s", worktree.root, prefix);
    if (code == 0 && access(worktree.directory, X_OK) < 0)
        code = pyro_error_set(error, -ENOENT, "revision '%s' has no folder '%s'", revision, prefix);
    if (code < 0)
        pyro_worktree_remove(&worktree, signals, NULL);
    else
        *ret_worktree = worktree;
    return code;
}

int pyro_worktree_remove(struct pyro_worktree *worktree, struct pyro_bench_signals *signals,
                         struct pyro_error *error)
{
    struct pyro_bench_process process;
    const char *const argv[] = {"git", "worktree", "remove", "--force", worktree->root, NULL};
    bool interrupted = signals->interrupted;
    int code = -EINTR;
    if (!worktree->root[0])
        return 0;
    for (int i = 0; i < TRIES && code == -EINTR; i++) {
        signals->interrupted = false;
        code = run_git(argv, signals, &process, error);
    }
    signals->interrupted = interrupted;
    rmdir(worktree->root); /* where git never came to it */
    if (code < 0)
        pyro_error_hint(error, "to remove it: git worktree remove --force %s", worktree->root);
    worktree->root[0] = '\0';
    return code;
}
