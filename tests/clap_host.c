/* A host of CLAP as small as it can be: loads a plug-in, plays it, and moves its state into a second one.
 *
 *     clap_host FILE ID RATE FRAMES INPUTS OUTPUTS BLOCK[,BLOCK...] [EVENT...] < planar input > planar outputs
 *
 * Events: p:TIME:NAME:VALUE   n:TIME:KEY:VELOCITY   f:TIME:KEY:0   m:TIME:BYTE:BYTE*256+BYTE. What it finds goes to stderr.
 * Outputs: of the first instance, of the same after reset without events, of a second one with its state.
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { uint32_t major, minor, revision; } version;
typedef struct {
    version of;
    const char *id, *name, *vendor, *url, *manual, *support, *release, *description;
    const char *const *features;
} descriptor;
typedef struct host {
    version of;
    void *data;
    const char *name, *vendor, *url, *release;
    const void *(*extension)(const struct host *, const char *);
    void (*restart)(const struct host *), (*process)(const struct host *), (*callback)(const struct host *);
} host;
typedef struct { uint32_t size, time; uint16_t space, type; uint32_t flags; } header;
typedef struct { header head; int32_t note; int16_t port, channel, key; double velocity; } note;
typedef struct { header head; uint32_t id; void *cookie; int32_t note; int16_t port, channel, key; double value; } change;
typedef struct { header head; uint16_t port; uint8_t data[3]; } midi;
typedef union { header head; note note; change change; midi midi; } event;
typedef struct events {
    void *data;
    uint32_t (*size)(const struct events *);
    const header *(*get)(const struct events *, uint32_t);
} events;
typedef struct pushed { void *data; bool (*push)(const struct pushed *, const header *); } pushed;
typedef struct { float **single; double **twice; uint32_t channels, latency; uint64_t constant; } buffer;
typedef struct {
    int64_t steady;
    uint32_t frames;
    const void *transport;
    const buffer *in;
    buffer *out;
    uint32_t ins, outs;
    const events *came;
    const pushed *went;
} block;
typedef struct plugin {
    const descriptor *is;
    void *data;
    bool (*init)(const struct plugin *);
    void (*destroy)(const struct plugin *);
    bool (*activate)(const struct plugin *, double, uint32_t, uint32_t);
    void (*deactivate)(const struct plugin *);
    bool (*start)(const struct plugin *);
    void (*stop)(const struct plugin *), (*reset)(const struct plugin *);
    int32_t (*process)(const struct plugin *, const block *);
    const void *(*extension)(const struct plugin *, const char *);
    void (*main)(const struct plugin *);
} plugin;
typedef struct factory {
    uint32_t (*count)(const struct factory *);
    const descriptor *(*get)(const struct factory *, uint32_t);
    const plugin *(*create)(const struct factory *, const host *, const char *);
} factory;
typedef struct { version of; bool (*init)(const char *); void (*deinit)(void); const void *(*factory)(const char *); } entry;
typedef struct { uint32_t id; char name[256]; uint32_t flags, channels; const char *type; uint32_t pair; } port;
typedef struct { uint32_t (*count)(const plugin *, bool); bool (*get)(const plugin *, uint32_t, bool, port *); } ports;
typedef struct { uint32_t id, dialects, preferred; char name[256]; } note_port;
typedef struct { uint32_t (*count)(const plugin *, bool); bool (*get)(const plugin *, uint32_t, bool, note_port *); } note_ports;
typedef struct { uint32_t id, flags; void *cookie; char name[256], module[1024]; double min, max, first; } info;
typedef struct {
    uint32_t (*count)(const plugin *);
    bool (*info)(const plugin *, uint32_t, info *), (*value)(const plugin *, uint32_t, double *);
    bool (*text)(const plugin *, uint32_t, double, char *, uint32_t), (*parse)(const plugin *, uint32_t, const char *, double *);
    void (*flush)(const plugin *, const events *, const pushed *);
} params;
typedef struct stream { void *data; int64_t (*move)(const struct stream *, void *, uint64_t); } stream;
typedef struct { bool (*save)(const plugin *, const stream *), (*load)(const plugin *, const stream *); } state;
typedef struct { uint32_t (*get)(const plugin *); } latency;

static event list[256];
static uint32_t begins, ends; /* those of this block */
static int rescans;
static uint8_t memory[1 << 16];
static uint64_t stored, taken;

static uint32_t size_of(const events *e) { (void)e; return ends - begins; }
static const header *get_of(const events *e, uint32_t i) { (void)e; return &list[begins + i].head; }
static bool push_to(const pushed *p, const header *h) { (void)p; (void)h; return false; }
static const events came = {NULL, size_of, get_of};
static const pushed went = {NULL, push_to};

static int64_t put(const stream *s, void *data, uint64_t size) {
    (void)s;
    if (size > 3) size = 3; /* less than was asked for, as hosts may */
    memcpy(memory + stored, data, (size_t)size);
    stored += size;
    return (int64_t)size;
}

static int64_t take(const stream *s, void *data, uint64_t size) {
    (void)s;
    if (size > 3) size = 3;
    if (size > stored - taken) size = stored - taken;
    memcpy(data, memory + taken, (size_t)size);
    taken += size;
    return (int64_t)size;
}

static void rescan(const host *h, uint32_t flags) { (void)h; rescans += flags == 1; }
static const struct { void (*rescan)(const host *, uint32_t); void (*clear)(const host *, uint32_t, uint32_t); void (*ask)(const host *); }
    host_params = {rescan, NULL, NULL};
static const void *extension(const host *h, const char *id) { (void)h; return strcmp(id, "clap.params") ? NULL : &host_params; }
static void nothing(const host *h) { (void)h; }
static const host me = {{1, 2, 0}, NULL, "host", "", "", "1", extension, nothing, nothing, nothing};

#define CHECK(x) do { if (!(x)) { fprintf(stderr, "failed at %d: %s\n", __LINE__, #x); exit(1); } } while (0)

static int inputs, outputs;
static uint32_t frames;
static float *in, *out;
static const char *lengths;

/* On a thread of its own, as hosts play. */
static void *play(void *p) {
    const plugin *plug = (const plugin *)p;
    const char *length = lengths;
    uint32_t at = 0, count = ends, next = 0;
    float **ins = calloc((size_t)inputs + 1, sizeof *ins), **outs = calloc((size_t)outputs + 1, sizeof *outs);
    CHECK(plug->start(plug));
    while (at < frames) {
        uint32_t n = (uint32_t)strtoul(length, (char **)&length, 10);
        length = *length == ',' ? length + 1 : lengths;
        if (n > frames - at) n = frames - at;
        for (int c = 0; c < inputs; c++) ins[c] = in + (size_t)c * frames + at;
        for (int c = 0; c < outputs; c++) outs[c] = out + (size_t)c * frames + at;
        for (begins = ends = next; ends < count && list[ends].head.flags < at + n; ends++) list[ends].head.time = list[ends].head.flags - at;
        next = ends;
        {
            const buffer from = {ins, NULL, (uint32_t)inputs, 0, 0};
            buffer to = {outs, NULL, (uint32_t)outputs, 0, 7};
            const block b = {at, n, NULL, inputs ? &from : NULL, &to, inputs ? 1 : 0, 1, &came, &went};
            CHECK(plug->process(plug, &b) == 1);
            CHECK(to.constant == 0);
        }
        at += n;
    }
    plug->stop(plug);
    free(ins);
    free(outs);
    fwrite(out, sizeof *out, (size_t)outputs * frames, stdout);
    return NULL;
}

static void played(const plugin *plug) {
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, play, (void *)plug));
#ifdef BUSY /* the main thread looks at values, saves, and loads */
    {
        const params *p = (const params *)plug->extension(plug, "clap.params");
        const state *s = (const state *)plug->extension(plug, "clap.state");
        const stream writer = {NULL, put}, reader = {NULL, take};
        for (int i = 0; i < 500; i++) {
            info is;
            double value;
            CHECK(p->info(plug, 0, &is) && p->value(plug, is.id, &value) && s->save(plug, &writer) && s->load(plug, &reader));
            stored = taken = 0;
            rescans = 0;
        }
    }
#endif
    CHECK(!pthread_join(thread, NULL));
}

int main(int argc, char **argv) {
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    const entry *e;
    const factory *f;
    const plugin *one, *two;
    const params *p;
    const ports *audio;
    const note_ports *notes;
    const state *s;
    const double rate = strtod(argv[3], NULL);
    const stream writer = {NULL, put}, reader = {NULL, take};
    int count = 0;
    if (!library) fprintf(stderr, "%s\n", dlerror());
    CHECK(library && (e = (const entry *)dlsym(library, "clap_entry")));
    CHECK(e->of.major == 1 && e->init(argv[1]) && !e->factory("clap.nothing"));
    CHECK((f = (const factory *)e->factory("clap.plugin-factory")) && f->count(f) == 1 && !f->get(f, 1));
    CHECK(!f->create(f, &me, "other") && (one = f->create(f, &me, argv[2])) && one->init(one));
    fprintf(stderr, "%s %s", one->is->id, one->is->name);
    for (const char *const *x = one->is->features; *x; x++) fprintf(stderr, " %s", *x);
    CHECK((p = (const params *)one->extension(one, "clap.params")) && (s = (const state *)one->extension(one, "clap.state")));
    CHECK((audio = (const ports *)one->extension(one, "clap.audio-ports")) && !one->extension(one, "clap.nothing"));
    notes = (const note_ports *)one->extension(one, "clap.note-ports");
    fprintf(stderr, "\nlatency %u\n", (unsigned)((const latency *)one->extension(one, "clap.latency"))->get(one));
    for (int way = 1; way >= 0; way--) {
        port is;
        note_port n;
        for (uint32_t i = 0; i < audio->count(one, way); i++) {
            CHECK(audio->get(one, i, way, &is));
            fprintf(stderr, "%s %s %u %s\n", way ? "from" : "to", is.name, (unsigned)is.channels, is.type ? is.type : "-");
        }
        CHECK(!audio->get(one, 1, way, &is));
        for (uint32_t i = 0; notes && i < notes->count(one, way); i++) {
            CHECK(notes->get(one, i, way, &n));
            fprintf(stderr, "%s %s %u\n", way ? "from" : "to", n.name, (unsigned)n.dialects);
        }
    }
    for (uint32_t i = 0; i < p->count(one); i++) {
        info is;
        double value, back;
        char text[64], again[64];
        CHECK(p->info(one, i, &is) && p->value(one, is.id, &value) && value == is.first && (is.flags & 32));
        CHECK(p->text(one, is.id, value, text, sizeof text) && p->parse(one, is.id, text, &back));
        CHECK(p->text(one, is.id, back, again, sizeof again) && !strcmp(text, again) && !p->text(one, is.id, value, text, 3));
        fprintf(stderr, "%s %.9g %.9g %.9g '%s'", is.name, is.min, is.max, is.first, again);
        CHECK(!p->text(one, is.id, 1.0 / 0.0 - 1.0 / 0.0, text, 64) && !p->parse(one, is.id, "loud", &back));
        CHECK(p->parse(one, is.id, "1e9999999", &back) && p->parse(one, is.id, " 0.25k", &back));
        fprintf(stderr, " %.9g %u\n", back, (unsigned)is.id);
    }
    {
        info is;
        double value;
        CHECK(!p->info(one, p->count(one), &is) && !p->value(one, 12345, &value));
    }
    frames = (uint32_t)strtoul(argv[4], NULL, 10);
    inputs = atoi(argv[5]);
    outputs = atoi(argv[6]);
    lengths = argv[7];
    in = calloc((size_t)inputs * frames + 1, sizeof *in);
    out = calloc((size_t)outputs * frames + 1, sizeof *out);
    CHECK(fread(in, sizeof *in, (size_t)inputs * frames, stdin) == (size_t)inputs * frames);
    for (int i = 8; i < argc; i++) {
        event *x = &list[count++];
        char name[64] = "";
        double first = 0, second = 0;
        unsigned time = 0;
        if (argv[i][0] == 'p') CHECK(sscanf(argv[i] + 2, "%u:%63[^:]:%lf", &time, name, &second) == 3);
        else CHECK(sscanf(argv[i] + 2, "%u:%lf:%lf", &time, &first, &second) == 3);
        if (argv[i][0] == 'p') {
            const change c = {{sizeof c, 0, 0, 5, time}, 0, NULL, -1, -1, -1, -1, second};
            info is;
            x->change = c;
            for (uint32_t k = 0; k < p->count(one); k++) {
                if (p->info(one, k, &is) && !strcmp(is.name, name)) x->change.id = is.id;
            }
        } else if (argv[i][0] == 'm') {
            const midi m = {{sizeof m, 0, 0, 10, time}, 0, {(uint8_t)first, (uint8_t)((int)second / 256), (uint8_t)((int)second % 256)}};
            x->midi = m;
        } else {
            const note n = {{sizeof n, 0, 0, argv[i][0] == 'f', time}, -1, 0, 0, (int16_t)first, second};
            x->note = n;
        }
    }
    ends = (uint32_t)count;
    CHECK(!one->activate(one, rate + 1, 1, 4096));
    CHECK(one->activate(one, rate, 1, 4096));
    played(one);
    one->reset(one);
    ends = 0;
    played(one);
    CHECK(s->save(one, &writer));
    CHECK((two = f->create(f, &me, argv[2])) && two->init(two));
    memory[0] ^= 1;
    CHECK(!s->load(two, &reader));
    memory[0] ^= 1;
    taken = 0;
    stored--;
    if (p->count(one)) CHECK(!s->load(two, &reader));
    stored++;
    taken = 0;
    CHECK(s->load(two, &reader) && taken == stored && rescans == 1);
    for (uint32_t i = 0; i < p->count(one); i++) {
        info is;
        double a, b;
        CHECK(p->info(one, i, &is) && p->value(one, is.id, &a) && p->value(two, is.id, &b) && !memcmp(&a, &b, sizeof a));
        fprintf(stderr, "%s=%.9g\n", is.name, b);
    }
    one->deactivate(one);
    one->destroy(one);
    begins = ends = 0;
    p->flush(two, &came, &went);
    CHECK(two->activate(two, rate, 1, 4096));
    played(two);
    two->deactivate(two);
    two->destroy(two);
    e->deinit();
    CHECK(!dlclose(library));
    free(in);
    free(out);
    return 0;
}
