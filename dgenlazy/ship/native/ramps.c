/* What a host moves: each parameter is a control. One that is moved goes to its target in 20 ms, a step every 64
   frames, and what depends on it is prepared once a step. Steps count frames, so that blocks may be cut anywhere. */
enum { NAME_controls = COUNT };

typedef struct NAME_control_t {
    const char *name;
    uint32_t id;
    size_t offset; /* in the struct, in bytes */
    float min, max, initial;
    const char *unit;
    int decimals; /* that are worth showing */
} NAME_control_t;

static const NAME_control_t NAME_control[NAME_controls + 1] = {
ROWS
    {NULL, 0u, 0, 0.0f, 0.0f, 0.0f, NULL, 0},
};

typedef struct NAME_ramps_t {
    NAME_t graph;
    float target[NAME_controls + 1], change[NAME_controls + 1]; /* where a control goes, and by how much a step */
    int left[NAME_controls + 1]; /* steps until it is there */
    int steps; /* in 20 ms */
    int wait; /* frames until the next step */
    int moving, turned, fresh; /* whether some control moves, was set since prepare, nothing has been played yet */
    const float *in[NAME_inputs + 1];
    float *out[NAME_outputs + 1];
} NAME_ramps_t;

static int NAME_ramps_init(NAME_ramps_t *p, double sample_rate) {
    const double steps = sample_rate * (0.02 / 64.0);
    memset(p, 0, sizeof *p);
    if (NAME_init(&p->graph, sample_rate)) return 1;
    for (int i = 0; i < NAME_controls; i++) p->target[i] = NAME_control[i].initial;
    p->steps = (int)steps + ((double)(int)steps < steps);
    p->fresh = 1;
    return 0;
}

/* Move a control; at once if `jump`, or if nothing has been played that could click. */
static void NAME_move(NAME_ramps_t *p, int i, float value, int jump) {
    const NAME_control_t *c = &NAME_control[i];
    float *now = (float *)(void *)((char *)&p->graph + c->offset);
    if (value != value) return;
    value = value < c->min ? c->min : value > c->max ? c->max : value;
    jump = jump || p->fresh;
    if (value == p->target[i] && !(jump && p->left[i])) return;
    p->target[i] = value;
    p->left[i] = jump ? 0 : p->steps;
    p->change[i] = jump ? 0.0f : (value - *now) / (float)p->steps;
    if (jump) {
        *now = value;
        p->turned = 1;
    } else {
        p->moving = 1;
    }
}

static void NAME_step(NAME_ramps_t *p) {
    p->moving = 0;
    for (int i = 0; i < NAME_controls; i++) {
        if (!p->left[i]) continue;
        p->left[i]--;
        *(float *)(void *)((char *)&p->graph + NAME_control[i].offset) = p->target[i] - p->change[i] * (float)p->left[i];
        p->moving = p->moving || p->left[i];
    }
    p->wait = 64;
    p->turned = 1;
}

static void NAME_play(NAME_ramps_t *p, const float *const *in, float *const *out, uint32_t from, uint32_t frames) {
    while (frames) {
        uint32_t count = frames < 1u << 30 ? frames : 1u << 30;
        if (p->moving && !p->wait) NAME_step(p);
        if (p->moving && (uint32_t)p->wait < count) count = (uint32_t)p->wait;
        if (p->turned) NAME_prepare(&p->graph);
        if (p->fresh) NAME_reset(&p->graph); /* what a state begins with may depend on parameters */
        p->turned = p->fresh = 0;
        for (int i = 0; i < NAME_inputs; i++) p->in[i] = in[i] + from;
        for (int i = 0; i < NAME_outputs; i++) p->out[i] = out[i] + from;
        NAME_process(&p->graph, p->in, p->out, (int)count);
        p->wait = (uint32_t)p->wait > count ? p->wait - (int)count : 0;
        from += count;
        frames -= count;
    }
}

#if defined(_WIN32)
#define DG_EXPORT __declspec(dllexport)
#elif defined(__GNUC__) || defined(__clang__)
#define DG_EXPORT __attribute__((visibility("default")))
#else
#define DG_EXPORT
#endif
