/* Preloaded into processes of the fault tests: their wall clock is off by what a file says, in nanoseconds.
   Clocks that measure durations are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND = 1000000000;
static const volatile int64_t none = 0;
static const volatile int64_t *off = &none;
static int (*ask)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    ask = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("FAULTS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *shared = mmap(NULL, sizeof *off, PROT_READ, MAP_SHARED, file, 0);
    if (shared != MAP_FAILED)
        off = shared;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!ask)
        begin();
    int failed = ask(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t total = now->tv_sec * SECOND + now->tv_nsec + *off;
        now->tv_sec = total / SECOND;
        now->tv_nsec = total % SECOND;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec fine;
    int failed = clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *out)
{
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (out)
        *out = fine.tv_sec;
    return fine.tv_sec;
}
