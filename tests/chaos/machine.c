/* The machine as a test would have it, preloaded before the system's own library.

   CHAOS_FSYNCS names a file that gets a line "DEVICE INODE SIZE" after each fsync or fdatasync that succeeded, SIZE
   being the file's from before the call. CHAOS_CLOCK names a file of eight bytes, by how many seconds the clock goes
   before the machine's, read anew each time; the monotonic clock is left alone.

   Build: cc -shared -fPIC -O2 -o machine.so machine.c -ldl
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int (*sync_call)(int);
typedef int (*clock_call)(clockid_t, struct timespec *);

static const volatile long long still = 0;
static const volatile long long *step = &still;
static clock_call real_clock;

__attribute__((constructor)) static void begin(void)
{
    real_clock = (clock_call) dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("CHAOS_CLOCK");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        step = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (real_clock == NULL)
        real_clock = (clock_call) dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *step;
    return result;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec exact;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    (void) zone;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

time_t time(time_t *into)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into != NULL)
        *into = exact.tv_sec;
    return exact.tv_sec;
}

static int noted(const char *name, int descriptor)
{
    sync_call real = (sync_call) dlsym(RTLD_NEXT, name);
    struct stat before;
    int known = fstat(descriptor, &before) == 0;
    int result = real(descriptor);
    const char *path = getenv("CHAOS_FSYNCS");
    if (result == 0 && known && path != NULL) {
        char line[96];
        int length = snprintf(line, sizeof line, "%lu %lu %lld\n", (unsigned long) before.st_dev,
                              (unsigned long) before.st_ino, (long long) before.st_size);
        int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (log < 0 || write(log, line, length) != length)
            abort();
        close(log);
    }
    return result;
}

int fsync(int descriptor) { return noted("fsync", descriptor); }
int fdatasync(int descriptor) { return noted("fdatasync", descriptor); }
