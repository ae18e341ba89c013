/* free_server: one fixed answer to every POST, connections kept; one thread, epoll. Stands in for
   nginx as the server that costs nothing. Prints its port and serves until stdin ends. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MOST 20000
#define SIZE 16384
static struct { char data[SIZE]; int used; } *connections;
static const char BODY[] =
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
    "\"model\":\"deepseek-chat\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
    "\"content\":\"An answer of a few words.\"},\"finish_reason\":\"stop\"}],"
    "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":6,\"total_tokens\":18}}";
static char answer[1024];
static int answer_size;

/* How many bytes of the buffer are a whole request; 0 while it is not complete. */
static int whole(char *data, int used) {
    char *end = memmem(data, used, "\r\n\r\n", 4);
    if (!end) return 0;
    int head = end - data + 4, length = 0;
    for (char *line = data; line < end; line = strchr(line, '\n') + 1)
        if (!strncasecmp(line, "content-length:", 15)) length = atoi(line + 15);
    return used >= head + length ? head + length : 0;
}

static int serve(int fd) {
    char *data = connections[fd].data;
    int got = read(fd, data + connections[fd].used, SIZE - 1 - connections[fd].used), size;
    if (got <= 0) return 0;
    connections[fd].used += got;
    data[connections[fd].used] = 0;
    while ((size = whole(data, connections[fd].used))) {
        if (write(fd, answer, answer_size) != answer_size) return 0;
        memmove(data, data + size, connections[fd].used -= size);
    }
    return connections[fd].used < SIZE - 1;
}

int main(void) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof place;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[512];
    connections = calloc(MOST, sizeof *connections);
    answer_size = snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
        sizeof BODY - 1, BODY);
    bind(listener, (struct sockaddr *)&place, size);
    listen(listener, 4096);
    getsockname(listener, (struct sockaddr *)&place, &size);
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = 0;
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        int count = epoll_wait(poll, ready, 512, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == 0) return 0;
            if (fd == listener) {
                if ((fd = accept(listener, 0, 0)) < 0 || fd >= MOST) continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                connections[fd].used = 0;
                event.events = EPOLLIN;
                event.data.fd = fd;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
            } else if (!serve(fd)) {
                close(fd);
            }
        }
    }
}
