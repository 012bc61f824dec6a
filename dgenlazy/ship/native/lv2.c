/* LV2, as lv2plug.in/ns/lv2core describes it: what a library hands out, and what a host passes to be ignored here. */
typedef void *LV2_Handle;

typedef struct LV2_Feature {
    const char *uri;
    void *data;
} LV2_Feature;

typedef struct LV2_Descriptor {
    const char *uri;
    LV2_Handle (*instantiate)(
        const struct LV2_Descriptor *descriptor, double sample_rate, const char *bundle_path, const LV2_Feature *const *features);
    void (*connect_port)(LV2_Handle instance, uint32_t port, void *data);
    void (*activate)(LV2_Handle instance);
    void (*run)(LV2_Handle instance, uint32_t frames);
    void (*deactivate)(LV2_Handle instance);
    void (*cleanup)(LV2_Handle instance);
    const void *(*extension_data)(const char *uri);
} LV2_Descriptor;

typedef struct NAME_lv2_t {
    NAME_ramps_t ramps;
    const float *in[NAME_inputs + 1];
    float *out[NAME_outputs + 1];
    const float *control[NAME_controls + 1];
    float *latency;
} NAME_lv2_t;

static LV2_Handle NAME_lv2_instantiate(
    const LV2_Descriptor *descriptor, double sample_rate, const char *bundle_path, const LV2_Feature *const *features) {
    NAME_lv2_t *p = (NAME_lv2_t *)calloc(1, sizeof(NAME_lv2_t));
    (void)descriptor;
    (void)bundle_path;
    (void)features;
    if (p && NAME_ramps_init(&p->ramps, sample_rate)) { /* the graph is not for this rate */
        free(p);
        return NULL;
    }
    return p;
}

static void NAME_lv2_connect_port(LV2_Handle instance, uint32_t port, void *data) {
    NAME_lv2_t *p = (NAME_lv2_t *)instance;
    const int control = (int)port - NAME_inputs - NAME_outputs;
    if (control >= NAME_controls) p->latency = (float *)data;
    else if (control >= 0) p->control[control] = (const float *)data;
    else if (control >= -NAME_outputs) p->out[control + NAME_outputs] = (float *)data;
    else p->in[port] = (const float *)data;
}

static void NAME_lv2_activate(LV2_Handle instance) {
    ((NAME_lv2_t *)instance)->ramps.fresh = 1;
}

static void NAME_lv2_run(LV2_Handle instance, uint32_t frames) {
    NAME_lv2_t *p = (NAME_lv2_t *)instance;
    if (p->latency) *p->latency = (float)NAME_latency;
    for (int i = 0; i < NAME_controls; i++) {
        if (p->control[i]) NAME_move(&p->ramps, i, *p->control[i], 0);
    }
    NAME_play(&p->ramps, p->in, p->out, 0u, frames);
}

static void NAME_lv2_cleanup(LV2_Handle instance) {
    free(instance);
}

static const LV2_Descriptor NAME_lv2 = {
    URI, NAME_lv2_instantiate, NAME_lv2_connect_port, NAME_lv2_activate, NAME_lv2_run, NULL, NAME_lv2_cleanup, NULL,
};

DG_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index);
const LV2_Descriptor *lv2_descriptor(uint32_t index) {
    return index ? NULL : &NAME_lv2;
}
