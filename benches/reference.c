/* How fast the reference library of Argon2 hashes with the network's parameters: one thread, memory
 * taken once, on huge pages, and not cleared. Arguments: memory in KiB, seconds. Prints hashes per
 * second of CPU time. */
#define _GNU_SOURCE
#include <argon2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static uint8_t *memory;

static int take(uint8_t **taken, size_t bytes) {
    (void)bytes;
    *taken = memory;
    return 0;
}

static void give_back(uint8_t *given, size_t bytes) {
    (void)given;
    (void)bytes;
}

static double cpu_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
    const size_t page = 2u << 20;
    uint8_t tag[64], salt[20] = {7};
    char key[65];
    argon2_context context;
    uint64_t hashes = 0;
    double start, spent;
    if (count != 3) return 2;
    const uint32_t kib = (uint32_t)strtoul(arguments[1], NULL, 10);
    const double seconds = strtod(arguments[2], NULL);
    const size_t bytes = ((size_t)kib * 1024 + page - 1) / page * page;
    memory = aligned_alloc(page, bytes);
    if (memory == NULL) return 1;
    madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    FLAG_clear_internal_memory = 0;
    memset(&context, 0, sizeof context);
    context.out = tag;
    context.outlen = sizeof tag;
    context.pwd = (uint8_t *)key;
    context.pwdlen = 64;
    context.salt = salt;
    context.saltlen = sizeof salt;
    context.t_cost = context.lanes = context.threads = 1;
    context.m_cost = kib;
    context.version = ARGON2_VERSION_13;
    context.allocate_cbk = take;
    context.free_cbk = give_back;
    start = cpu_seconds();
    do {
        snprintf(key, sizeof key, "%064llx", (unsigned long long)hashes);
        if (argon2_ctx(&context, Argon2_id) != ARGON2_OK) return 1;
        hashes++;
        spent = cpu_seconds() - start;
    } while (spent < seconds);
    printf("%.1f\n", (double)hashes / spent);
    return 0;
}
