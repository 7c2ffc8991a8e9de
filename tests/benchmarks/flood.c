/* Sends packets over UDP at a rate, 32 in one system call, with new ids in each pass and the time of sending.
 *
 * flood PORT COUNT RATE FIRST < packets
 *
 * Each packet on standard input, numbers in this machine's byte order: u32 length, u16 place of the seconds (the
 * microseconds' is 10 bytes behind; 0: leave the times alone), u16 how many places, u16 each place, and the bytes.
 * At each place eight hexadecimal digits are written: FIRST plus the number of the pass. RATE in packets a second,
 * 0: as fast as it can; sent in turn to 127.0.0.1 until COUNT have been sent.
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

enum { BATCH = 32, TOKEN = 8 };

struct packet {
    uint32_t length;
    uint16_t time_at, places;
    uint16_t *at;
    char *bytes;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void *take(size_t size) {
    void *bytes = malloc(size + 1);
    if (!bytes || fread(bytes, 1, size, stdin) != size) exit(2);
    return bytes;
}

static struct packet *read_packets(long *held) {
    struct packet *packets = NULL, one;
    long room = 0;
    *held = 0;
    while (fread(&one.length, sizeof one.length, 1, stdin) == 1) {
        uint16_t head[2];
        if (fread(head, sizeof head, 1, stdin) != 1) exit(2);
        one.time_at = head[0];
        one.places = head[1];
        one.at = take(one.places * sizeof *one.at);
        one.bytes = take(one.length);
        if (*held == room && !(packets = realloc(packets, (room = 2 * room + 1024) * sizeof *packets))) exit(2);
        packets[(*held)++] = one;
    }
    return packets;
}

static void renew(struct packet *packet, const char *token, const uint32_t *time) {
    for (int i = 0; i < packet->places; i++) memcpy(packet->bytes + packet->at[i], token, TOKEN);
    if (packet->time_at) {
        memcpy(packet->bytes + packet->time_at, &time[0], 4);
        memcpy(packet->bytes + packet->time_at + 10, &time[1], 4);
    }
}

int main(int argc, char **argv) {
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    long held;
    if (argc != 5) return 2;
    struct packet *packets = read_packets(&held);
    if (!held) return 2;

    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to)) return 1;
    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }

    long count = atol(argv[2]), sent = 0;
    unsigned first = strtoul(argv[4], NULL, 10);
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
        /* Not past the end of a pass: a packet cannot stand twice in one system call with two tokens. */
        long left = held - sent % held;
        int batch = ready < BATCH ? (int)ready : BATCH;
        if (batch > left) batch = (int)left;
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        uint32_t time[2] = {htonl((uint32_t)t.tv_sec), htonl((uint32_t)(t.tv_nsec / 1000))};
        char token[TOKEN + 1];
        snprintf(token, sizeof token, "%08lx", (first + sent / held) & 0xffffffff);
        for (int i = 0; i < batch; i++) {
            struct packet *packet = &packets[(sent + i) % held];
            renew(packet, token, time);
            parts[i].iov_base = packet->bytes;
            parts[i].iov_len = packet->length;
        }
        int done = sendmmsg(sock, messages, batch, 0);
        if (done < 0) return 1;
        sent += done;
    }
    printf("%ld %.6f\n", sent, now() - began);
    return 0;
}
