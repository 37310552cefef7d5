/* The walkers over snapshots of real interpreters, one a version: what data/snapshot_program.py was
 * doing, and what happens when single words of it are broken. The snapshots are the fuzzer's first
 * inputs too; made by tools/snapshot. */
#include "check.h"
#include "cpython_image.h"

#include "cpython/dump.h"

#include <errno.h>

static const char *local_of(const struct pyro_dump_frame *frame, const char *name)
{
    for (size_t i = 0; i < frame->local_count; i++) {
        if (strcmp(frame->locals[i].name, name) == 0)
            return frame->locals[i].value;
    }
    return NULL;
}

static const struct pyro_dump_frame *frame_called(const struct pyro_dump_stack *stack,
                                                  const char *name)
{
    for (size_t i = 0; i < stack->count; i++) {
        if (strcmp(stack->frames[i].name, name) == 0)
            return &stack->frames[i];
    }
    return NULL;
}

static struct pyro_dump_stack dump(const struct image *image, const char *thread,
                                   struct pyro_arena *arena)
{
    struct pyro_dump_stack stack;
    const struct pyro_thread_info *info = thread_called(image, thread);
    CHECK(info != NULL);
    CHECK_EQ(pyro_dump_stack(image->snapshot.memory, &image->runtime, info, true, arena, &stack),
             0);
    return stack;
}

/* -- what is there ---------------------------------------------------------------------------- */

static void threads_and_names(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        read_image(&image, versions[i]);
        open_image(&image);
        printf("# %s\n", versions[i]);
        bool free_threaded = strchr(versions[i], 't') != NULL;
        CHECK_EQ(image.runtime.layout.minor, strtoul(versions[i] + 2, NULL, 10));
        CHECK_EQ(image.runtime.layout.free_threaded, free_threaded);
        CHECK_EQ(image.count, 3);
        CHECK(!pyro_addr_is_null(image.runtime.code_type));
        CHECK(strncmp(image.runtime.version_text, versions[i], strcspn(versions[i], "t")) == 0);
        CHECK(thread_called(&image, "MainThread") != NULL);
        CHECK(thread_called(&image, "worker") != NULL);
        CHECK(thread_called(&image, "w\u00f6rker 2") != NULL);
        CHECK_EQ(image.threads[0].interp_id, 0);
        CHECK_EQ(image.threads[0].kernel_id, 0);
        close_image(&image);
    }
}

static void stack_of_a_worker(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        struct pyro_arena arena = {0};
        read_image(&image, versions[i]);
        open_image(&image);
        printf("# %s\n", versions[i]);
        struct pyro_dump_stack stack = dump(&image, "worker", &arena);
        bool qualified = image.runtime.layout.minor >= 11;
        bool comprehension = image.runtime.layout.minor < 12; /* 3.12 runs it inline */
        const char *run = qualified ? "Worker.run" : "run";
        CHECK(!stack.incomplete);
        CHECK_EQ(stack.count, comprehension ? 9 : 8);
        CHECK_STR(stack.frames[0].name, "stand_still");
        CHECK_STR(stack.frames[0].file, "/app/program.py");
        CHECK_EQ(stack.frames[0].line, 12);
        CHECK_EQ(stack.frames[0].first_line, 10);
        size_t next = comprehension ? 2 : 1;
        for (size_t depth = 0; depth < 4; depth++) {
            char digit[2] = {(char)('0' + depth), 0};
            const struct pyro_dump_frame *frame = &stack.frames[next + depth];
            CHECK_STR(frame->name, run);
            CHECK_EQ(frame->line, depth == 0 ? 19 : 18);
            CHECK_STR(local_of(frame, "depth"), digit);
            CHECK(strncmp(local_of(frame, "self"), "<Worker at 0x", 13) == 0);
        }
        CHECK_STR(stack.frames[stack.count - 1].name,
                  qualified ? "Thread._bootstrap" : "_bootstrap");
        pyro_arena_free(&arena);
        close_image(&image);
    }
}

static void generator_and_main_thread(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        struct pyro_arena arena = {0};
        read_image(&image, versions[i]);
        open_image(&image);
        printf("# %s\n", versions[i]);
        struct pyro_dump_stack stack = dump(&image, "w\u00f6rker 2", &arena);
        CHECK_STR(stack.frames[1].name, "numbers");
        CHECK_EQ(stack.frames[1].line, 25);
        CHECK_STR(local_of(&stack.frames[1], "number"), "2");
        CHECK_STR(stack.frames[2].name, "add_up");
        stack = dump(&image, "MainThread", &arena);
        const struct pyro_dump_frame *frame = frame_called(&stack, "main");
        CHECK(frame != NULL);
        CHECK_EQ(frame->line, 46);
        CHECK_STR(local_of(frame, "price"), "2.5");
        CHECK_STR(local_of(frame, "flags"), "{'a': True, 'b': [1, (...)]}");
        CHECK_STR(local_of(frame, "name"), "'caf\u00e9'"); /* in a cell */
        CHECK(strncmp(local_of(frame, "inner"), "<function at 0x", 15) == 0);
        CHECK_STR(stack.frames[stack.count - 1].name, "<module>");
        pyro_arena_free(&arena);
        close_image(&image);
    }
}

static void nobody_holds_the_gil(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        struct pyro_interp_state state;
        read_image(&image, versions[i]);
        open_image(&image);
        CHECK_EQ(pyro_interp_state(image.snapshot.memory, &image.runtime, image.threads[0].interp,
                                   &state),
                 0);
        CHECK(pyro_addr_is_null(state.gil_holder)); /* all three threads wait */
        CHECK(!pyro_addr_is_null(state.gil));
        CHECK(!state.collecting);
        close_image(&image);
    }
}

/* -- broken words ----------------------------------------------------------------------------- */

static pyro_addr frame_of(const struct image *image, const struct pyro_thread_info *thread)
{
    const struct pyro_layout *layout = &image->runtime.layout;
    const struct pyro_memory *memory = image->snapshot.memory;
    pyro_addr frame;
    CHECK_EQ(
        pyro_memory_read_addr(memory, pyro_addr_plus(thread->tstate, layout->tstate.frame), &frame),
        0);
    if (layout->frames == PYRO_FRAMES_CFRAME)
        CHECK_EQ(pyro_memory_read_addr(memory, pyro_addr_plus(frame, layout->cframe_current_frame),
                                       &frame),
                 0);
    return frame;
}

static void a_circle_of_frames_ends(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        struct pyro_arena arena = {0};
        read_image(&image, versions[i]);
        open_image(&image);
        const struct pyro_thread_info *thread = thread_called(&image, "worker");
        pyro_addr frame = frame_of(&image, thread);
        poke(&image, pyro_addr_plus(frame, image.runtime.layout.frame.previous), frame.u);
        reopen(&image);
        struct pyro_dump_stack stack = dump(&image, "worker", &arena);
        CHECK(stack.incomplete);
        CHECK(stack.count < 1000);
        pyro_arena_free(&arena);
        close_image(&image);
    }
}

static void a_torn_chain_keeps_what_was_read(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        struct pyro_arena arena = {0};
        read_image(&image, versions[i]);
        open_image(&image);
        const struct pyro_thread_info *thread = thread_called(&image, "worker");
        pyro_addr frame = frame_of(&image, thread);
        poke(&image, pyro_addr_plus(frame, image.runtime.layout.frame.previous), 0xdeadbeef000);
        reopen(&image);
        struct pyro_dump_stack stack = dump(&image, "worker", &arena);
        CHECK(stack.incomplete);
        CHECK_EQ(stack.count, 1);
        CHECK_STR(stack.frames[0].name, "stand_still");
        pyro_arena_free(&arena);
        close_image(&image);
    }
}

static void a_circle_of_threads_ends(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        read_image(&image, versions[i]);
        open_image(&image);
        pyro_addr tstate = image.threads[0].tstate;
        poke(&image, pyro_addr_plus(tstate, image.runtime.layout.tstate.next), tstate.u);
        reopen(&image);
        CHECK_EQ(pyro_threads_list(0, image.snapshot.memory, &image.runtime, image.threads, 8), 8);
        close_image(&image);
    }
}

static void a_foreign_thread_is_refused(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        struct pyro_runtime runtime;
        read_image(&image, versions[i]);
        open_image(&image);
        CHECK_EQ(pyro_runtime_check(image.snapshot.memory, &image.runtime), 0);
        poke(&image, pyro_addr_plus(image.threads[0].tstate, image.runtime.layout.tstate.interp),
             0x1000);
        reopen(&image);
        CHECK_EQ(pyro_runtime_check(image.snapshot.memory, &image.runtime), -EINVAL);
        poke(&image,
             pyro_addr_plus(image.threads[0].interp, image.runtime.layout.interp.threads_head), 0);
        reopen(&image);
        CHECK_EQ(pyro_runtime_check(image.snapshot.memory, &image.runtime), -EAGAIN);
        CHECK_EQ(pyro_runtime_at(image.snapshot.memory, image.snapshot.runtime,
                                 image.snapshot.version, &runtime, NULL),
                 -EAGAIN);
        close_image(&image);
    }
}

static void code_identity_tells_a_reused_address(void)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        struct image image;
        struct pyro_arena arena = {0};
        struct pyro_code code;
        uint64_t identity, word;
        read_image(&image, versions[i]);
        open_image(&image);
        const struct pyro_layout *layout = &image.runtime.layout;
        pyro_addr frame = frame_of(&image, thread_called(&image, "worker")), addr;
        CHECK_EQ(pyro_memory_read_addr(image.snapshot.memory,
                                       pyro_addr_plus(frame, layout->frame.executable), &addr),
                 0);
        addr.u &= ~(uint64_t)3;
        CHECK_EQ(pyro_code_read(image.snapshot.memory, &image.runtime, addr, &arena, &code), 0);
        CHECK_EQ(pyro_code_identity(image.snapshot.memory, &image.runtime, addr, &identity), 0);
        CHECK(identity == code.identity);
        const uint32_t fields[] = {layout->code.first_line, layout->code.argcount,
                                   layout->code.flags,      layout->code.filename,
                                   layout->code.linetable,  layout->code.name};
        for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
            memcpy(&word, at(&image, pyro_addr_plus(addr, fields[k])), sizeof word);
            poke(&image, pyro_addr_plus(addr, fields[k]), word ^ 0x10);
            reopen(&image);
            CHECK_EQ(pyro_code_identity(image.snapshot.memory, &image.runtime, addr, &identity), 0);
            CHECK(identity != code.identity);
            poke(&image, pyro_addr_plus(addr, fields[k]), word);
        }
        poke(&image, pyro_addr_plus(addr, layout->object.type), image.runtime.code_type.u + 8);
        reopen(&image);
        CHECK_EQ(pyro_code_read(image.snapshot.memory, &image.runtime, addr, &arena, &code),
                 -EINVAL);
        CHECK_EQ(pyro_code_read(image.snapshot.memory, &image.runtime, pyro_addr_at(addr.u + 1),
                                &arena, &code),
                 -EINVAL);
        pyro_arena_free(&arena);
        close_image(&image);
    }
}

int main(void)
{
    return CHECK_MAIN(TEST(threads_and_names), TEST(stack_of_a_worker),
                      TEST(generator_and_main_thread), TEST(nobody_holds_the_gil),
                      TEST(a_circle_of_frames_ends), TEST(a_torn_chain_keeps_what_was_read),
                      TEST(a_circle_of_threads_ends), TEST(a_foreign_thread_is_refused),
                      TEST(code_identity_tells_a_reused_address));
}
