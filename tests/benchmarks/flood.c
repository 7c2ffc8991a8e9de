/* Sends packets over UDP as fast as a rate allows, 32 in one system call.
 *
 * flood PORT COUNT RATE < packets    each packet is a length (u32, this machine's byte order) and its bytes;
 *                                    RATE in packets per second, 0: as fast as it can; sent in turn to
 *                                    127.0.0.1 until COUNT have been sent.
 * Prints how many were sent and in how many seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { LARGEST = 65507, PACKETS = 4096, BATCH = 32 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    static struct iovec packets[PACKETS];
    struct mmsghdr messages[BATCH];
    size_t held = 0;
    uint32_t length;
    if (argc != 4) return 2;
    while (held < PACKETS && fread(&length, sizeof length, 1, stdin) == 1) {
        if (length > LARGEST || !(packets[held].iov_base = malloc(length))) return 2;
        if (fread(packets[held].iov_base, 1, length, stdin) != length) return 2;
        packets[held++].iov_len = length;
    }
    if (!held) return 2;

    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to)) return 1;

    long count = atol(argv[2]), sent = 0;
    double rate = atof(argv[3]), began = now();
    while (sent < count) {
        double due = rate > 0 ? (now() - began) * rate + 1 : count;
        long ready = (due < count ? (long)due : count) - sent;
        if (ready <= 0) {
            double wait = began + (sent + 1) / rate - now();
            if (wait < 0.0005) wait = 0.0005;
            struct timespec pause = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (time_t)wait) * 1e9)};
            nanosleep(&pause, NULL);
            continue;
        }
        int batch = ready < BATCH ? (int)ready : BATCH;
        memset(messages, 0, sizeof messages);
        for (int i = 0; i < batch; i++) {
            messages[i].msg_hdr.msg_iov = &packets[(sent + i) % held];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        int done = sendmmsg(sock, messages, batch, 0);
        if (done < 0) return 1;
        sent += done;
    }
    printf("%ld %.6f\n", sent, now() - began);
    return 0;
}
